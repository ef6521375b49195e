// The dialog that copies a task with those of its customers that are chosen by their results.

import { type CallOptions, Code, type OutboundTask, type OutboundTasks, TargetState } from "@outbound-tasks/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { closeDialog, Dialog, openDialog, useWrite, WriteNotice } from "./dialog";
import { Fields, isFaulty, timesOf, tomorrow } from "./forms";
import { number, t, tn } from "./i18n";
import { labelsOf, rowsOf, termsOf } from "./labels";
import { Notice, say } from "./parts";
import { countOf, STATES } from "./results";

/** Those that were not reached. */
const DEFAULT = [TargetState.PENDING, TargetState.NO_ANSWER, TargetState.BUSY];
/** A million customers take about 25 seconds; this is the most that a call may take, in milliseconds. */
const MOST_MS = 900_000;

interface CopyProps {
  task: OutboundTask;
  service: OutboundTasks;
  done: (task: OutboundTask) => void;
}

export function openCopy(props: CopyProps): void {
  openDialog(<Copy {...props} />);
}

function Copy({ task, service, done }: CopyProps) {
  const [draft, setDraft] = useState(() => ({ ...tomorrow(), name: t("copyName", { name: task.name }), labels: rowsOf(task.labels) }));
  const [states, setStates] = useState(DEFAULT);
  /** The task with its counts, which rows of the list do not have. */
  const [counted, setCounted] = useState<OutboundTask>();
  const id = useRef<HTMLInputElement>(null);
  const writing = useWrite();
  useEffect(() => {
    const call = new AbortController();
    const request = { taskId: task.taskId, targetLimit: 0 };
    service.rpc.getOutboundTask(request, { signal: call.signal }).then(({ task }) => setCounted(task), () => undefined);
    return () => call.abort();
  }, []);
  /** The new task, once it is made: a copy has the labels of its source, and gets those of the form by another call. */
  const made = useRef<OutboundTask>(undefined);
  const relabel = async (copied: OutboundTask, options: CallOptions) => {
    const labels = labelsOf(draft.labels);
    if (termsOf(labels).join("\n") === termsOf(copied.labels).join("\n")) {
      return copied;
    }
    const request = { task: { taskId: copied.taskId, labels }, updateMask: { paths: ["labels"] }, targetLimit: 0 };
    return (await service.once((idempotencyKey) => service.rpc.updateOutboundTask({ ...request, idempotencyKey }, options), options)).task;
  };
  const submit = () =>
    writing.run(
      async (options) => {
        const request = {
          sourceTaskId: task.taskId,
          taskId: id.current?.value.trim() ?? "",
          name: draft.name.trim(),
          ...timesOf(draft),
          states,
          targetLimit: 0,
        };
        const call = { ...options, timeoutMs: MOST_MS };
        made.current ??= (await service.once((idempotencyKey) => service.rpc.copyOutboundTask({ ...request, idempotencyKey }, call), call)).task;
        return made.current && relabel(made.current, options);
      },
      (copied) => {
        closeDialog();
        if (copied) {
          say(t("wasCopied", { name: copied.name, count: copied.targetCount }));
          done(copied);
        }
      },
    );
  const sum = counted && states.reduce((sum, state) => sum + countOf(counted, state), 0);
  return (
    <Dialog title={t("copyTask")} submit={t("copyTask")} isOff={writing.isWriting || states.length === 0 || isFaulty(draft)} onSubmit={submit} onClose={closeDialog}>
      <Fields draft={draft} change={(part) => setDraft({ ...draft, ...part })} />
      <fieldset class="checks">
        <legend>{t("copyStates")}</legend>
        {[...STATES].reverse().map((state) => (
          <label key={state}>
            <input
              type="checkbox"
              checked={states.includes(state)}
              onChange={({ currentTarget: { checked } }) => setStates(checked ? [...states, state] : states.filter((other) => other !== state))}
            />
            {tn("state", state)} {counted && `(${number(countOf(counted, state))})`}
          </label>
        ))}
      </fieldset>
      {sum !== undefined && <p role="status">{t("willCopy", { count: sum })}</p>}
      <label>
        {t("ownId")}
        <input ref={id} type="text" name="task_id" maxLength={128} autocomplete="off" spellcheck={false} />
      </label>
      {writing.error?.code === Code.AlreadyExists ? <Notice kind="error">{t("idTaken")}</Notice> : <WriteNotice writing={writing} />}
    </Dialog>
  );
}
