// The targets of a task with their call results, one page at a time. The address has the filter and the page.

import { Code, type ListTaskTargetsResponse, type OutboundTask, type OutboundTasks, TargetState, TaskError } from "@outbound-tasks/client";
import { useEffect, useState } from "preact/hooks";
import { openAdd, openRemove } from "./customers";
import { number, t, tn } from "./i18n";
import { ErrorNotice, Icon, Time } from "./parts";
import { countOf, STATES } from "./results";
import { ALL_TARGETS, go, type TargetView, taskHref } from "./route";
import { endedBy } from "./session";
import { hasEnded } from "./task";

const LIMIT = 20;

interface TargetsProps {
  task: OutboundTask;
  view: TargetView;
  service: OutboundTasks;
  /** Changes whenever the targets may have changed. */
  version: number;
  canWrite: boolean;
  /** Called after customers were added or removed. */
  changed: () => void;
}

/** The tokens of the pages before this one, which the history keeps: pages are only found by tokens. */
function earlier(): string[] {
  const state: unknown = history.state;
  return Array.isArray(state) ? state.filter((token) => typeof token === "string") : [];
}

export function Targets({ task, view, service, version, canWrite, changed }: TargetsProps) {
  const { taskId } = task;
  const { state, customerId, page, token: pageToken } = view;
  const [answer, setAnswer] = useState<ListTaskTargetsResponse>();
  const [error, setError] = useState<TaskError>();
  const change = (part: Partial<TargetView>) => go(taskHref(taskId, { ...view, page: 1, token: "", ...part }));

  useEffect(() => {
    const call = new AbortController();
    const states = state === TargetState.UNSPECIFIED ? [] : [state];
    service.rpc.listTaskTargets({ taskId, states, customerId, limit: LIMIT, pageToken }, { signal: call.signal }).then(
      (answer) => {
        setAnswer(answer);
        setError(undefined);
      },
      (reason) => {
        if (!call.signal.aborted && !endedBy(reason)) {
          const error = TaskError.from(reason);
          if (error.code === Code.InvalidArgument && pageToken) {
            go(taskHref(taskId, { ...view, page: 1, token: "" }), true); // the token in the address is of no use any more
          }
          setError(error);
        }
      },
    );
    return () => call.abort();
  }, [service, taskId, state, customerId, pageToken, version]);

  const from = (page - 1) * LIMIT + 1;
  const next = answer?.nextPageToken ?? "";
  // A page that was opened by a link has no tokens of the pages before it: from there the way back leads to the first one.
  const back = () => (earlier().length > 0 ? history.back() : change({}));
  const forward = () => go(taskHref(taskId, { ...view, page: page + 1, token: next }), false, [...earlier(), pageToken]);
  return (
    <section aria-labelledby="targets">
      <div class="bar">
        <h2 id="targets">{t("target")}</h2>
        <button type="button" disabled={!canWrite || hasEnded(task)} onClick={() => openAdd({ task, service, done: changed })}>
          {t("addCustomers")}
        </button>
        <Find key={customerId} customerId={customerId} find={(customerId) => change({ customerId })} />
        <select aria-label={t("state")} value={state} onChange={(event) => change({ state: Number(event.currentTarget.value) })}>
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
      {answer?.targets.length === 0 && <p class="quiet">{customerId ? t("noSuchTarget", { id: customerId }) : t("noTargets")}</p>}
      {answer && answer.targets.length > 0 && (
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
                {canWrite && (
                  <th scope="col" class="tool">
                    <span class="hidden">{t("actions")}</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {answer.targets.map(({ customerId, state, attempt, time }) => (
                <tr key={customerId}>
                  <td class="wrap">
                    <bdi>{customerId}</bdi>
                  </td>
                  <td>
                    <span class={`result t${state}`}>{tn("state", state)}</span>
                  </td>
                  <td class="right">{attempt > 0 ? number(attempt) : "–"}</td>
                  <td>{time ? <Time time={time} /> : "–"}</td>
                  {canWrite && (
                    <td class="tool">
                      <button
                        type="button"
                        class="act"
                        title={t("removeCustomers")}
                        aria-label={t("removeOne", { id: customerId })}
                        onClick={() => openRemove({ task, service, done: changed, customerId })}
                      >
                        ×
                      </button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
          <div class="pager">
            <p class="quiet">{t("range", { from, to: from + answer.targets.length - 1, total: answer.total })}</p>
            <div class="steps">
              <Step name="previous" isOff={page === 1} go={back} />
              <Step name="next" isOff={!next} go={forward} />
            </div>
          </div>
        </>
      )}
      {view.state !== ALL_TARGETS.state || customerId ? (
        <button type="button" onClick={() => change(ALL_TARGETS)}>
          {t("allTargets")}
        </button>
      ) : null}
    </section>
  );
}

/** Finds one customer by the whole id. */
function Find({ customerId, find }: { customerId: string; find: (customerId: string) => void }) {
  return (
    <form
      class="box find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        find(String(new FormData(event.currentTarget).get("customer") ?? "").trim());
      }}
    >
      <Icon name="search" />
      <input
        type="search"
        name="customer"
        aria-label={t("findCustomer")}
        placeholder={t("findCustomer")}
        defaultValue={customerId}
        maxLength={128}
        spellcheck={false}
        autocomplete="off"
      />
    </form>
  );
}

function Step({ name, isOff, go }: { name: "previous" | "next"; isOff: boolean; go: () => void }) {
  return (
    <button type="button" class="step" aria-label={t(name)} title={t(name)} disabled={isOff} onClick={go}>
      <Icon name={name} />
    </button>
  );
}
