// Changes of many tasks that the service takes one task at a time: moving their end, and removing a customer from them. The
// tasks are read first, so the dialog says how many will change. A change that fails leaves the rest to another try, which
// does not change a task twice.

import { type ListOutboundTasksResponse, type OutboundTask, type OutboundTasks, TaskError, timestampDate, timestampFromDate } from "@outbound-tasks/client";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { FilterOfList } from "./bulk";
import { closeDialog, Dialog, openDialog, useWrite, WriteNotice } from "./dialog";
import { t } from "./i18n";
import { ErrorNotice, Notice, say } from "./parts";
import { ACTIVE } from "./route";
import { endedBy } from "./session";

/** The most tasks of one change: what one page of a list can have. */
const MOST = 1000;
/** The number of changes under way at a time. */
const AT_A_TIME = 4;
const MINUTE_MS = 60_000;
/** The furthest that an end can be moved, in minutes: a year. */
const FURTHEST = 525_600;

interface Options {
  signal: AbortSignal;
  onRetry: () => void;
}

interface ManyProps {
  filter: FilterOfList;
  service: OutboundTasks;
  done: () => void;
}

interface ChangesProps extends ManyProps {
  title: string;
  submit: (count: number) => string;
  isFinal?: boolean;
  /** Whether the values in the dialog cannot be used. */
  isOff?: boolean;
  /** Whether a task would change. */
  isMeant: (task: OutboundTask) => boolean;
  change: (task: OutboundTask, options: Options) => Promise<unknown>;
  /** What to say after all were changed. */
  said: (count: number) => string;
  /** What the dialog asks; `stay` is the number of tasks that would not change. */
  children: (count: number, stay: number) => ComponentChildren;
}

function Changes({ filter, service, done, title, submit, isFinal = false, isOff = false, isMeant, change, said, children }: ChangesProps) {
  const [answer, setAnswer] = useState<ListOutboundTasksResponse>();
  const [error, setError] = useState<TaskError>();
  /** The tasks that were changed before a change failed. */
  const [changed, setChanged] = useState(new Set<string>());
  const writing = useWrite(done);

  useEffect(() => {
    const call = new AbortController();
    const readMask = { paths: ["task_id", "start_time", "end_time", "status"] };
    service.list({ ...filter, limit: MOST, targetLimit: 0, readMask }, { signal: call.signal }).then(setAnswer, (reason) => {
      if (!call.signal.aborted && !endedBy(reason)) {
        setError(TaskError.from(reason));
      }
    });
    return () => call.abort();
  }, []);

  const tasks = answer?.tasks ?? [];
  const isTooMany = answer !== undefined && answer.total > tasks.length;
  const meant = tasks.filter((task) => !changed.has(task.taskId) && isMeant(task));
  const run = async (options: Options) => {
    const now = new Set(changed);
    const rest = [...meant];
    const one = async () => {
      for (let task = rest.shift(); task; task = rest.shift()) {
        await change(task, options);
        now.add(task.taskId);
      }
    };
    const results = await Promise.allSettled(Array.from({ length: AT_A_TIME }, one));
    setChanged(now);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) {
      throw failed.reason;
    }
    return now.size;
  };
  return (
    <Dialog
      title={title}
      submit={submit(meant.length)}
      isFinal={isFinal}
      isWide
      isOff={isOff || writing.isWriting || isTooMany || meant.length === 0}
      onSubmit={() =>
        writing.run(run, (count) => {
          closeDialog();
          say(said(count));
          done();
        })
      }
      onClose={closeDialog}
    >
      {error && <ErrorNotice error={error} />}
      {!answer && !error && <p role="status">{t("loading")}</p>}
      {isTooMany ? <Notice kind="warning">{t("manyTooMany", { count: MOST })}</Notice> : answer && children(meant.length, tasks.length - meant.length - changed.size)}
      {writing.error && <p>{t("manyLeft", { count: meant.length })}</p>}
      <WriteNotice writing={writing} />
    </Dialog>
  );
}

export function openMoveEnd(props: ManyProps): void {
  openDialog(<MoveEnd {...props} />);
}

/** Moves the planned end of the tasks that have not ended. */
function MoveEnd({ service, ...props }: ManyProps) {
  const [minutes, setMinutes] = useState("60");
  const by = Number(minutes);
  const isGood = Number.isInteger(by) && by !== 0 && Math.abs(by) <= FURTHEST;
  const endOf = ({ endTime }: OutboundTask) => new Date((endTime ? timestampDate(endTime).getTime() : 0) + by * MINUTE_MS);
  return (
    <Changes
      {...props}
      service={service}
      title={t("moveEnd")}
      submit={(count) => t("moveSubmit", { count })}
      isOff={!isGood}
      isMeant={(task) => isGood && ACTIVE.includes(task.status) && task.startTime !== undefined && endOf(task) >= timestampDate(task.startTime)}
      change={(task, options) => {
        // A time, not a shift: a change that is sent again moves the end once. Without an etag, which results of calls change.
        const request = { task: { taskId: task.taskId, endTime: timestampFromDate(endOf(task)) }, updateMask: { paths: ["end_time"] }, targetLimit: 0 };
        return service.once((idempotencyKey) => service.rpc.updateOutboundTask({ ...request, idempotencyKey }, options), options);
      }}
      said={(count) => t("endMoved", { count })}
    >
      {(count, stay) => (
        <>
          <label>
            {t("moveBy")}
            <input type="number" name="minutes" required step={1} min={-FURTHEST} max={FURTHEST} value={minutes} onInput={(event) => setMinutes(event.currentTarget.value)} />
          </label>
          <Notice kind="info">
            <p>{t("movePlan", { count })}</p>
            {stay > 0 && <p>{t("moveStay", { count: stay })}</p>}
          </Notice>
        </>
      )}
    </Changes>
  );
}

export function openRemoveFromAll(props: ManyProps & { customerId: string }): void {
  openDialog(<RemoveFromAll {...props} />);
}

/** Removes one customer from all these tasks. */
function RemoveFromAll({ service, customerId, ...props }: ManyProps & { customerId: string }) {
  return (
    <Changes
      {...props}
      service={service}
      title={t("removeFromAll", { id: customerId })}
      submit={(count) => t("removeFrom", { count })}
      isFinal
      isMeant={() => true}
      change={({ taskId }, options) => {
        const request = { taskId, customerIds: [customerId], readMask: { paths: ["task_id"] } };
        return service.once((idempotencyKey) => service.rpc.removeTaskTargets({ ...request, idempotencyKey }, options), options);
      }}
      said={(count) => t("removedFromAll", { id: customerId, count })}
    >
      {(count) => <p>{t("askRemoveFromAll", { id: customerId, count })}</p>}
    </Changes>
  );
}
