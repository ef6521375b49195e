// The targets of a task with their call results, one page at a time.

import { type ListTaskTargetsResponse, type OutboundTask, type OutboundTasks, TargetState, TaskError } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { number, t, tn } from "./i18n";
import { ErrorNotice, Icon, Time } from "./parts";
import { endedBy } from "./session";
import { countOf, STATES } from "./task";

const LIMIT = 20;

interface TargetsProps {
  task: OutboundTask;
  service: OutboundTasks;
  /** Changes whenever the targets may have changed. */
  version: number;
}

export function Targets({ task, service, version }: TargetsProps) {
  const { taskId } = task;
  const [state, setState] = useState(TargetState.UNSPECIFIED);
  // The tokens of the previous pages and of this one, for the way back: pages are only found by tokens.
  const [tokens, setTokens] = useState([""]);
  const [page, setPage] = useState<ListTaskTargetsResponse>();
  const [error, setError] = useState<TaskError>();
  const pageToken = tokens[tokens.length - 1] ?? "";

  useEffect(() => {
    const call = new AbortController();
    const states = state === TargetState.UNSPECIFIED ? [] : [state];
    service.rpc.listTaskTargets({ taskId, states, limit: LIMIT, pageToken }, { signal: call.signal }).then(
      (answer) => {
        setPage(answer);
        setError(undefined);
      },
      (reason) => {
        if (!call.signal.aborted && !endedBy(reason)) {
          setError(TaskError.from(reason));
        }
      },
    );
    return () => call.abort();
  }, [service, taskId, state, pageToken, version]);

  const from = (tokens.length - 1) * LIMIT + 1;
  return (
    <section aria-labelledby="targets">
      <div class="bar">
        <h2 id="targets">{t("target")}</h2>
        <select
          aria-label={t("state")}
          value={state}
          onChange={(event) => {
            setState(Number(event.currentTarget.value));
            setTokens([""]);
          }}
        >
          <option value={TargetState.UNSPECIFIED}>
            {t("all")} ({number(task.targetCount)})
          </option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {tn("state", state)} ({number(countOf(task, state))})
            </option>
          ))}
        </select>
      </div>
      {error && <ErrorNotice error={error} />}
      {page?.targets.length === 0 && <p class="quiet">{t("noTargets")}</p>}
      {page && page.targets.length > 0 && (
        <>
          <table class="plain" aria-labelledby="targets">
            <thead>
              <tr>
                <th scope="col">{t("customer")}</th>
                <th scope="col">{t("state")}</th>
                <th scope="col" class="right">
                  {t("attempt")}
                </th>
                <th scope="col">{t("time")}</th>
              </tr>
            </thead>
            <tbody>
              {page.targets.map(({ customerId, state, attempt, time }) => (
                <tr key={customerId}>
                  <td class="wrap">{customerId}</td>
                  <td>
                    <span class={`result t${state}`}>{tn("state", state)}</span>
                  </td>
                  <td class="right">{attempt > 0 ? number(attempt) : "–"}</td>
                  <td>{time ? <Time time={time} /> : "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <div class="pager">
            <p class="quiet">{t("range", { from, to: from + page.targets.length - 1, total: page.total })}</p>
            <div class="steps">
              <Step name="previous" isOff={tokens.length === 1} go={() => setTokens(tokens.slice(0, -1))} />
              <Step name="next" isOff={!page.nextPageToken} go={() => setTokens([...tokens, page.nextPageToken])} />
            </div>
          </div>
        </>
      )}
    </section>
  );
}

function Step({ name, isOff, go }: { name: "previous" | "next"; isOff: boolean; go: () => void }) {
  return (
    <button type="button" class="step" aria-label={t(name)} title={t(name)} disabled={isOff} onClick={go}>
      <Icon name={name} />
    </button>
  );
}
