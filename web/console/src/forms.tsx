// Dialogs that create, change and delete a task.

import { Code, type OutboundTask, type OutboundTasks, TaskError, type Timestamp, timestampDate, timestampFromDate } from "@outbound-tasks/client";
import { useRef, useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog, useWrite, WriteNotice } from "./dialog";
import { t } from "./i18n";
import { LabelRows } from "./label-parts";
import { faultsOf, type LabelRow, labelsOf, rowsOf, termsOf } from "./labels";
import { instantOf, isSkipped, type Moment, MomentField, momentOf } from "./moment";
import { Notice, say, Status } from "./parts";
import { dayOf, hourStart, instantsOf, zone } from "./zone";

/** How often a change is sent again because something else in the task changed at the same moment. */
const MOST_TRIES = 5;

/** What a form edits. */
export interface Draft {
  name: string;
  start: Moment;
  end: Moment;
  labels: LabelRow[];
}

/** The times of a draft, for a request; those that are not changed keep their seconds. */
export function timesOf({ start, end }: Draft, { startTime, endTime }: Partial<OutboundTask> = {}) {
  const time = (moment: Moment, before: Timestamp | undefined) => {
    const instant = instantOf(moment, before && timestampDate(before));
    return instant && timestampFromDate(instant);
  };
  return { startTime: time(start, startTime), endTime: time(end, endTime) };
}

interface FieldsProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
}

/** The end after the start was moved: the task keeps its length if it would end before it starts. */
function following(before: Moment, { start, end }: Draft): Moment {
  const [was, is, until] = [before, start, end].map((moment) => instantOf(moment)?.getTime());
  const isBehind = was !== undefined && is !== undefined && until !== undefined && was < until && until <= is;
  return isBehind ? momentOf(new Date(is + until - was)) : end;
}

export function Fields({ draft, change }: FieldsProps) {
  const { name, start, end, labels } = draft;
  /** The start when its field was last left: what is typed meanwhile is no start yet. */
  const before = useRef(start);
  const leave = () => {
    change({ end: following(before.current, draft) });
    before.current = start;
  };
  // An hour that comes twice has ends that look as if they were before their starts.
  const isTwice = instantsOf(end.text)?.length === 2;
  return (
    <>
      <label>
        {t("name")}
        <input
          type="text"
          name="name"
          required
          maxLength={256}
          autocomplete="off"
          dir="auto"
          value={name}
          onInput={(event) => change({ name: event.currentTarget.value })}
        />
      </label>
      <div class="pair">
        <MomentField word="start_time" name="start" moment={start} change={(start) => change({ start })} left={leave} />
        <MomentField word="end_time" name="end" moment={end} min={isTwice ? undefined : start.text} change={(end) => change({ end })} />
      </div>
      <p class="quiet">{t("zone", { zone: zone() })}</p>
      <LabelRows rows={labels} change={(labels) => change({ labels })} />
    </>
  );
}

/** Whether a draft cannot be sent as it is. */
export function isFaulty({ start, end, labels }: Draft): boolean {
  return faultsOf(labels).some(Boolean) || isSkipped(start) || isSkipped(end);
}

/** Tomorrow's working hours. */
export function tomorrow(): Draft {
  const now = new Date();
  const at = (hour: number) => momentOf(hourStart(dayOf(now), 1, hour) ?? now);
  return { name: "", start: at(9), end: at(18), labels: [] };
}

interface CreateProps {
  service: OutboundTasks;
  done: (task: OutboundTask) => void;
}

export function openCreate(props: CreateProps): void {
  openDialog(<Create {...props} />);
}

function Create({ service, done }: CreateProps) {
  const [draft, setDraft] = useState(tomorrow);
  const id = useRef<HTMLInputElement>(null);
  const writing = useWrite();
  const submit = () =>
    writing.run(
      (options) => {
        const task = {
          taskId: id.current?.value.trim() ?? "",
          name: draft.name.trim(),
          ...timesOf(draft),
          labels: labelsOf(draft.labels),
        };
        return service.once((idempotencyKey) => service.rpc.createOutboundTask({ task, idempotencyKey, targetLimit: 0 }, options), options);
      },
      ({ task }) => {
        closeDialog();
        if (task) {
          say(t("created", { name: task.name }));
          done(task);
        }
      },
    );
  return (
    <Dialog title={t("newTask")} submit={t("create")} isOff={writing.isWriting || isFaulty(draft)} onSubmit={submit} onClose={closeDialog}>
      <Fields draft={draft} change={(part) => setDraft({ ...draft, ...part })} />
      <label>
        {t("ownId")}
        <input ref={id} type="text" name="task_id" maxLength={128} autocomplete="off" spellcheck={false} />
      </label>
      <p class="quiet">{t("customersNext")}</p>
      {writing.error?.code === Code.AlreadyExists ? <Notice kind="error">{t("idTaken")}</Notice> : <WriteNotice writing={writing} />}
    </Dialog>
  );
}

interface ChangeProps {
  task: OutboundTask;
  service: OutboundTasks;
  done: (task: OutboundTask) => void;
}

export function openEdit(props: ChangeProps): void {
  openDialog(<Edit {...props} />);
}

function draftOf({ name, startTime, endTime, labels }: OutboundTask): Draft {
  return {
    name,
    start: momentOf(startTime ? timestampDate(startTime) : new Date()),
    end: momentOf(endTime ? timestampDate(endTime) : new Date()),
    labels: rowsOf(labels),
  };
}

function same(one: Draft, other: Draft): boolean {
  const text = ({ name, start, end, labels }: Draft) => JSON.stringify([name, start, end, termsOf(labelsOf(labels))]);
  return text(one) === text(other);
}

function Edit({ task, service, done }: ChangeProps) {
  /** The task as it was when its values were last shown here. */
  const [base, setBase] = useState(task);
  const [draft, setDraft] = useState(() => draftOf(task));
  const [isOvertaken, setOvertaken] = useState(false);
  const writing = useWrite();
  /**
   * Changes the version that the form shows. Results of calls give a task another version too: then it is tried again with
   * that one. A task whose name, times or labels were changed by others is shown first.
   */
  const change = async (options: { signal: AbortSignal; onRetry: () => void }) => {
    let { etag } = base;
    for (let tries = 1; ; tries += 1) {
      try {
        const changed = {
          taskId: task.taskId,
          etag,
          name: draft.name.trim(),
          ...timesOf(draft, base),
          labels: labelsOf(draft.labels),
        };
        const updateMask = { paths: ["name", "start_time", "end_time", "labels"] };
        const request = { task: changed, updateMask };
        return (await service.once((idempotencyKey) => service.rpc.updateOutboundTask({ ...request, idempotencyKey }, options), options)).task;
      } catch (reason) {
        if (TaskError.from(reason).reason !== "ETAG_MISMATCH" || tries === MOST_TRIES) {
          throw reason;
        }
        const { task: now } = await service.rpc.getOutboundTask({ taskId: task.taskId, targetLimit: 0 }, options);
        if (now && !same(draftOf(now), draftOf(base))) {
          setBase(now);
          setOvertaken(true);
          return undefined;
        }
        etag = now?.etag ?? "";
      }
    }
  };
  const submit = () =>
    writing.run(change, (changed) => {
      if (changed) {
        closeDialog();
        say(t("saved", { name: changed.name }));
        done(changed);
      }
    });
  const now = draftOf(base);
  return (
    <Dialog title={t("edit")} submit={t("save")} isOff={writing.isWriting || isFaulty(draft) || same(draft, now)} onSubmit={submit} onClose={closeDialog}>
      <Fields draft={draft} change={(part) => setDraft({ ...draft, ...part })} />
      {isOvertaken && (
        <Notice kind="warning">
          {t("overtaken", { name: now.name, start: now.start.text.replace("T", " "), end: now.end.text.replace("T", " "), labels: termsOf(base.labels).join(", ") || t("none") })}
        </Notice>
      )}
      <WriteNotice writing={writing} />
    </Dialog>
  );
}

interface DeleteProps {
  task: OutboundTask;
  service: OutboundTasks;
  done: () => void;
}

export function openDelete(props: DeleteProps): void {
  openDialog(<Delete {...props} />);
}

function Delete({ task, service, done }: DeleteProps) {
  const writing = useWrite();
  const { taskId } = task;
  const submit = () =>
    writing.run(
      (options) => service.once((idempotencyKey) => service.rpc.deleteOutboundTask({ taskId, idempotencyKey }, options), options),
      () => {
        closeDialog();
        say(t("wasDeleted", { name: task.name }));
        done();
      },
    );
  return (
    <Dialog title={t("delete")} submit={t("delete")} isFinal isOff={writing.isWriting} onSubmit={submit} onClose={closeDialog}>
      <p class="subject">
        <strong>
          <bdi>{task.name}</bdi>
        </strong>{" "}
        <Status status={task.status} />
      </p>
      <p>{t("askDelete", { count: task.targetCount })}</p>
      <WriteNotice writing={writing} />
    </Dialog>
  );
}
