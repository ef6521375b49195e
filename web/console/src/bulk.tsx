// One action on many tasks: on the selected ones, or on all of a list. A dry run tells first what would change.

import {
  type BulkChangeOutboundTasksResponse, Code, type ListRequest, type OutboundTasks, type RefusedTask, type TaskAction, TaskError,
} from "@outbound-tasks/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { FINAL, ORDER } from "./actions";
import { closeDialog, Dialog, openDialog, useWrite, WriteNotice } from "./dialog";
import { t, tn } from "./i18n";
import { ErrorNotice, Notice, say } from "./parts";
import { openMoveEnd, openRemoveFromAll } from "./many";
import { follow, STATUSES, taskHref } from "./route";
import { endedBy, type Session } from "./session";

/** Which tasks: fields of the API's filter. */
export type FilterOfList = Pick<ListRequest, "status" | "attention" | "label" | "dateField" | "dateRange" | "name" | "customerId" | "taskIds">;

/** The most refused tasks that the dialog names. */
const MOST_NAMED = 50;

interface BulkBarProps {
  session: Session;
  selected: Set<string>;
  /** The number of all tasks of the list, and their filter. */
  total: number;
  filter: FilterOfList;
  isAll: boolean;
  selectAll: () => void;
  clear: () => void;
  /** Called after tasks were changed. */
  done: () => void;
}

/** What can be done with the selection. */
export function BulkBar({ session, selected, total, filter, isAll, selectAll, clear, done }: BulkBarProps) {
  const count = isAll ? total : selected.size;
  const { service } = session;
  const isOff = session.canWrite !== true;
  const { customerId } = filter;
  const which = {
    filter: isAll ? filter : { taskIds: [...selected] },
    service,
    done: () => {
      clear();
      done();
    },
  };
  return (
    <div class="bulk" role="group" aria-label={t("selection")}>
      <strong role="status">{t("selected", { count })}</strong>
      {!isAll && total > selected.size && (
        <button type="button" onClick={selectAll}>
          {t("selectAll", { count: total })}
        </button>
      )}
      {ORDER.map((action) => (
        <button
          key={action}
          type="button"
          class={FINAL.includes(action) ? "act-text final" : "act-text"}
          disabled={isOff}
          onClick={() => openDialog(<Bulk action={action} {...which} />)}
        >
          {tn("action", action)}
        </button>
      ))}
      <button type="button" disabled={isOff} onClick={() => openMoveEnd(which)}>
        {t("moveEnd")}
      </button>
      {customerId && (
        <button type="button" class="final" disabled={isOff} onClick={() => openRemoveFromAll({ ...which, customerId })}>
          {t("removeFromAll", { id: customerId })}
        </button>
      )}
      <button type="button" onClick={clear}>
        {t("clearSelection")}
      </button>
    </div>
  );
}

interface BulkProps {
  action: TaskAction;
  filter: FilterOfList;
  service: OutboundTasks;
  done: () => void;
}

function Bulk({ action, filter, service, done }: BulkProps) {
  const [plan, setPlan] = useState<BulkChangeOutboundTasksResponse>();
  const [error, setError] = useState<TaskError>();
  /** The number of the dry run; another one is done when the tasks have changed since. */
  const [round, setRound] = useState(0);
  const reason = useRef<HTMLInputElement>(null);
  const writing = useWrite();

  useEffect(() => {
    const call = new AbortController();
    setPlan(undefined);
    service.rpc.bulkChangeOutboundTasks({ filter, action, dryRun: true }, { signal: call.signal }).then(setPlan, (reason) => {
      if (!call.signal.aborted && !endedBy(reason)) {
        setError(TaskError.from(reason));
      }
    });
    return () => call.abort();
  }, [round]);

  const submit = () =>
    writing.run(
      async (options) => {
        const request = { filter, action, reason: reason.current?.value.trim() ?? "", expectedCount: plan?.changedCount ?? 0 };
        try {
          return await service.once((idempotencyKey) => service.rpc.bulkChangeOutboundTasks({ ...request, idempotencyKey }, options), options);
        } catch (reason) {
          const { code, reason: name } = TaskError.from(reason);
          if (code === Code.FailedPrecondition && name === "COUNT_NOT_AS_EXPECTED") {
            setRound(round + 1);
          }
          throw reason;
        }
      },
      ({ changedCount }) => {
        closeDialog();
        say(t("bulkDone", { action: tn("action", action), count: changedCount }));
        done();
      },
    );
  const count = plan?.changedCount ?? 0;
  return (
    <Dialog
      title={tn("action", action)}
      submit={plan ? t("bulkSubmit", { action: tn("action", action), count }) : tn("action", action)}
      isFinal={FINAL.includes(action)}
      isWide
      isOff={writing.isWriting || count === 0}
      onSubmit={submit}
      onClose={closeDialog}
    >
      <p>{tn("ask", action)}</p>
      {error && <ErrorNotice error={error} />}
      {!plan && !error && <p role="status">{t("loading")}</p>}
      {plan && (
        <Notice kind="info">
          <p>{t("bulkPlan", { matched: plan.matchedCount, count })}</p>
        </Notice>
      )}
      {plan && plan.refused.length > 0 && <Refused service={service} refused={plan.refused} />}
      <label>
        {t("reason")}
        <input ref={reason} type="text" maxLength={1024} autocomplete="off" />
      </label>
      <WriteNotice writing={writing} />
    </Dialog>
  );
}

/** The tasks whose status does not allow the action. Until their names are read, and if they cannot be, their ids stand for them. */
function Refused({ service, refused }: { service: OutboundTasks; refused: RefusedTask[] }) {
  const [names, setNames] = useState(new Map<string, string>());
  useEffect(() => {
    const call = new AbortController();
    const taskIds = refused.slice(0, MOST_NAMED).map(({ taskId }) => taskId);
    const request = { taskIds, limit: MOST_NAMED, targetLimit: 0, readMask: { paths: ["task_id", "name"] } };
    service.list(request, { signal: call.signal }).then(
      ({ tasks }) => setNames(new Map(tasks.map(({ taskId, name }) => [taskId, name]))),
      () => {},
    );
    return () => call.abort();
  }, [refused]);
  const each = STATUSES.map((status) => ({ status, count: refused.filter((task) => task.status === status).length }));
  return (
    <details class="refused">
      <summary>
        {t("bulkRefused", { count: refused.length })}{" "}
        {each
          .filter(({ count }) => count > 0)
          .map(({ status, count }) => t("value", { field: tn("status", status), new: String(count) }))
          .join(", ")}
      </summary>
      <ul>
        {refused.slice(0, MOST_NAMED).map(({ taskId, status }) => (
          <li key={taskId}>
            <a
              href={taskHref(taskId)}
              onClick={(event) => {
                follow(event);
                if (event.defaultPrevented) {
                  closeDialog();
                }
              }}
            >
              <bdi>{names.get(taskId) || taskId}</bdi>
            </a>{" "}
            {names.get(taskId) && (
              <>
                <bdi class="quiet">{taskId}</bdi>{" "}
              </>
            )}
            {tn("status", status)}
          </li>
        ))}
      </ul>
      {refused.length > MOST_NAMED && <p class="quiet">{t("more", { count: refused.length - MOST_NAMED })}</p>}
    </details>
  );
}
