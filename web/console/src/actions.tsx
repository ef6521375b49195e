// The actions on a task: a button for each action that its status allows, and a confirmation before it is done.

import { Code, type OutboundTask, type OutboundTasks, TaskAction, TaskError } from "@outbound-tasks/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { focusRow, keepFocus, type Row, rowOf } from "./focus";
import { t, tn } from "./i18n";
import { ErrorNotice, Icon, type IconName, Notice, say, Status } from "./parts";
import { endedBy, type Session } from "./session";
import { store } from "./store";

const ICONS: Record<number, IconName> = {
  [TaskAction.START]: "start",
  [TaskAction.PAUSE]: "pause",
  [TaskAction.RESUME]: "resume",
  [TaskAction.STOP]: "stop",
  [TaskAction.COMPLETE]: "complete",
  [TaskAction.FAIL]: "fail",
};
/** The order of the buttons: frequent actions first, final ones last. */
const ORDER = [TaskAction.START, TaskAction.PAUSE, TaskAction.RESUME, TaskAction.COMPLETE, TaskAction.STOP, TaskAction.FAIL];
const FINAL = [TaskAction.COMPLETE, TaskAction.STOP, TaskAction.FAIL];

interface Question {
  task: OutboundTask;
  action: TaskAction;
  /** The row of the pressed button; undefined on a task's own page. */
  row: Row | undefined;
  /** Called with the task after the action, or without it if the task should be read again. */
  done: (task: OutboundTask | undefined) => void;
}

/** The open confirmation. */
const question = store<Question | undefined>(undefined);

interface ActionsProps {
  task: OutboundTask;
  session: Session;
  done: Question["done"];
  /** Whether the buttons have text besides their icons. */
  wide?: boolean;
}

export function Actions({ task, session, done, wide = false }: ActionsProps) {
  const allowed = ORDER.filter((action) => task.allowedActions.includes(action));
  return (
    <div class={wide ? "actions wide" : "actions"}>
      {allowed.map((action) => (
        <button
          key={action}
          type="button"
          class={FINAL.includes(action) ? "act final" : "act"}
          disabled={session.canWrite !== true}
          title={wide ? undefined : tn("action", action)}
          aria-label={wide ? undefined : `${tn("action", action)}: ${task.name}`}
          onClick={(event) => question.set({ task, action, done, row: rowOf(event.currentTarget) })}
        >
          <Icon name={ICONS[action] ?? "next"} />
          {wide && tn("action", action)}
        </button>
      ))}
    </div>
  );
}

/** Asks for confirmation before an action. One dialog for the whole console. */
export function Confirmation({ service }: { service: OutboundTasks }) {
  const asked = question.use();
  return asked ? <Dialog key={`${asked.task.taskId} ${asked.action}`} asked={asked} service={service} /> : null;
}

function Dialog({ asked: { task, action, done, row }, service }: { asked: Question; service: OutboundTasks }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const reason = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<TaskError>();
  const [isActing, setActing] = useState(false);
  const calls = useRef(new AbortController());

  useEffect(() => {
    dialog.current?.showModal();
    return () => calls.current.abort();
  }, []);

  const close = () => {
    dialog.current?.close();
    question.set(undefined);
    // The row of the pressed button may have disappeared meanwhile.
    keepFocus(row);
  };
  const act = async () => {
    setActing(true);
    setError(undefined);
    try {
      const options = { signal: calls.current.signal };
      const changed = await service.act(task.taskId, action, reason.current?.value.trim(), options);
      say(t("done", { name: changed.name, status: tn("status", changed.status) }));
      done(changed);
      close();
      // The pressed button disappears together with the status that it belonged to.
      if (row) {
        focusRow(row);
      } else {
        document.querySelector("h1")?.focus();
      }
    } catch (reason) {
      if (calls.current.signal.aborted) {
        return;
      }
      if (endedBy(reason)) {
        return close();
      }
      setError(TaskError.from(reason));
      setActing(false);
      done(undefined);
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby="question" onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void act();
        }}
      >
        <h2 id="question">{tn("action", action)}</h2>
        <p class="subject">
          <strong>{task.name}</strong> <Status status={task.status} />
        </p>
        <p>{tn("ask", action)}</p>
        <label>
          {t("reason")}
          <input ref={reason} type="text" maxLength={1024} autocomplete="off" />
        </label>
        {error && <Refusal error={error} />}
        <div class="buttons">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button type="submit" class={FINAL.includes(action) ? "primary final" : "primary"} disabled={isActing}>
            {tn("action", action)}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** Why an action failed. */
function Refusal({ error }: { error: TaskError }) {
  switch (error.code) {
    case Code.FailedPrecondition: {
      const words = ["", "pending", "running", "paused", "completed", "stopped", "failed"];
      const status = words.indexOf(error.metadata.status ?? "");
      return <Notice kind="error">{t("notAllowed", { status: status > 0 ? tn("status", status) : (error.metadata.status ?? "") })}</Notice>;
    }
    case Code.NotFound:
      return <Notice kind="error">{t("gone")}</Notice>;
    case Code.PermissionDenied:
      return <Notice kind="error">{t("forbidden")}</Notice>;
    default:
      return <ErrorNotice error={error} />;
  }
}
