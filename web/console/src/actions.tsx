// The actions on a task: a button for each action that its status allows, and a confirmation before it is done.

import { type OutboundTask, type OutboundTasks, TaskAction, TaskError } from "@outbound-tasks/client";
import { useRef } from "preact/hooks";
import { openCopy } from "./copy";
import { Dialog, useWrite, WriteNotice } from "./dialog";
import { canEnd, EndSwitch, isWatched, toggleWatched } from "./ends";
import { errorText } from "./errors";
import { focusRow, keepFocus, type Row, rowOf } from "./focus";
import { t, tn } from "./i18n";
import { openDelete, openEdit } from "./forms";
import { type Item, MenuButton } from "./menu";
import { copy, Icon, type IconName, Notice, say, Status } from "./parts";
import { go, taskHref } from "./route";
import type { Session } from "./session";
import { store } from "./store";
import { curl, grpcurl } from "./terminal";

const ICONS: Record<number, IconName> = {
  [TaskAction.START]: "start",
  [TaskAction.PAUSE]: "pause",
  [TaskAction.RESUME]: "resume",
  [TaskAction.STOP]: "stop",
  [TaskAction.COMPLETE]: "complete",
  [TaskAction.FAIL]: "fail",
};
/** The order of the buttons: frequent actions first, final ones last. */
export const ORDER = [TaskAction.START, TaskAction.PAUSE, TaskAction.RESUME, TaskAction.COMPLETE, TaskAction.STOP, TaskAction.FAIL];
export const FINAL = [TaskAction.COMPLETE, TaskAction.STOP, TaskAction.FAIL];

interface Question {
  task: OutboundTask;
  /** Whether the task was deleted while the question was open. */
  isGone?: boolean;
  action: TaskAction;
  /** The row of the pressed button; undefined on a task's own page. */
  row: Row | undefined;
  /** Called with the task after the action, or without it if the task should be read again. */
  done: (task: OutboundTask | undefined) => void;
}

/** The open confirmation. */
const question = store<Question | undefined>(undefined);

/** Brings the open confirmation up to date with a change; without a task, it was deleted. */
export function taskChanged(taskId: string, task: OutboundTask | undefined): void {
  const asked = question.get();
  if (asked?.task.taskId === taskId) {
    question.set(task ? { ...asked, task } : { ...asked, isGone: true });
  }
}

interface ActionsProps {
  task: OutboundTask;
  session: Session;
  done: Question["done"];
}

function allowedOf(task: OutboundTask): TaskAction[] {
  return ORDER.filter((action) => task.allowedActions.includes(action));
}

/** The most likely action of a row, and a menu of all that can be done. */
export function Actions({ task, session, done }: ActionsProps) {
  const [first] = allowedOf(task);
  return (
    <div class="actions">
      {first !== undefined && (
        <button
          type="button"
          class="act"
          disabled={session.canWrite !== true}
          title={tn("action", first)}
          aria-label={`${tn("action", first)}: ${task.name}`}
          onClick={(event) => question.set({ task, action: first, done, row: rowOf(event.currentTarget) })}
        >
          <Icon name={ICONS[first] ?? "next"} />
        </button>
      )}
      <TaskMenu task={task} session={session} done={done} />
    </div>
  );
}

/** The actions of a task's page: a button for each, and a menu of the rest. */
export function WideActions({ task, session, done, more }: ActionsProps & { more: () => Item[] }) {
  return (
    <div class="actions wide">
      {allowedOf(task).map((action) => (
        <button
          key={action}
          type="button"
          class={FINAL.includes(action) ? "act final" : "act"}
          disabled={session.canWrite !== true}
          onClick={() => question.set({ task, action, done, row: undefined })}
        >
          <Icon name={ICONS[action] ?? "next"} />
          {tn("action", action)}
        </button>
      ))}
      <EndSwitch task={task} session={session} />
      <TaskMenu task={task} session={session} done={done} isPage more={more} />
    </div>
  );
}

interface TaskMenuProps extends ActionsProps {
  /** Whether the actions stand beside the menu. */
  isPage?: boolean;
  /** What only a task's page can do. */
  more?: () => Item[];
}

function TaskMenu({ task, session, done, isPage = false, more }: TaskMenuProps) {
  const isOff = session.canWrite !== true;
  const { service } = session;
  const groups = (): Item[][] => [
    isPage
      ? []
      : allowedOf(task).map((action) => ({
          text: tn("action", action),
          icon: <Icon name={ICONS[action] ?? "next"} />,
          isOff,
          isFinal: FINAL.includes(action),
          act: (from) => question.set({ task, action, done, row: rowOf(from) }),
        })),
    more?.() ?? [],
    isPage || !canEnd(task) ? [] : [{ text: t("tellEnd"), isOn: isWatched(task), act: () => void toggleWatched(session, task) }],
    [
      { text: t("copyTask"), isOff, act: () => openCopy({ task, service, done: ({ taskId }) => go(taskHref(taskId)) }) },
      { text: t("edit"), isOff, act: () => openEdit({ task, service, done }) },
      { text: t("delete"), isOff, isFinal: true, act: () => openDelete({ task, service, done: () => done(undefined) }) },
    ],
    [
      { text: t("copyId"), act: () => copy(task.taskId) },
      { text: t("copyLink"), act: () => copy(location.origin + taskHref(task.taskId)) },
      { text: t("copyCurl"), act: () => copy(curl(`/api/v1/outboundtasks/${encodeURIComponent(task.taskId)}`)) },
      { text: t("copyGrpcurl"), act: () => copy(grpcurl("GetOutboundTask", { taskId: task.taskId })) },
    ],
  ];
  return <MenuButton label={t("actionsOf", { name: task.name })} groups={groups} />;
}

/** Asks for confirmation before an action. One dialog for the whole console. */
export function Confirmation({ service }: { service: OutboundTasks }) {
  const asked = question.use();
  return asked ? <Confirm key={`${asked.task.taskId} ${asked.action}`} asked={asked} service={service} /> : null;
}

function Confirm({ asked: { task, isGone, action, done, row }, service }: { asked: Question; service: OutboundTasks }) {
  const reason = useRef<HTMLInputElement>(null);
  const writing = useWrite(() => done(undefined));
  const { isWriting, error } = writing;
  const close = () => {
    question.set(undefined);
    // The row of the pressed button may have disappeared meanwhile.
    setTimeout(() => keepFocus(row));
  };
  const act = () =>
    writing.run(
      (options) => service.act(task.taskId, action, reason.current?.value.trim(), options),
      (changed) => {
        say(t("done", { name: changed.name, status: tn("status", changed.status) }), undo(changed));
        done(changed);
        question.set(undefined);
        // The pressed button disappears together with the status that it belonged to.
        setTimeout(() => (row ? focusRow(row) : document.querySelector("h1")?.focus()));
      },
    );
  /** A pause can be taken back at once. */
  const undo = (changed: OutboundTask) =>
    action === TaskAction.PAUSE
      ? {
          text: t("undo"),
          act: () => {
            service.act(changed.taskId, TaskAction.RESUME).then(
              (resumed) => {
                say(t("done", { name: resumed.name, status: tn("status", resumed.status) }));
                done(resumed);
              },
              (reason) => {
                say(errorText(TaskError.from(reason)));
                done(undefined);
              },
            );
          },
        }
      : undefined;
  const isStale = isGone || !task.allowedActions.includes(action);
  return (
    <Dialog
      title={tn("action", action)}
      submit={tn("action", action)}
      isFinal={FINAL.includes(action)}
      isOff={isWriting || isStale}
      onSubmit={act}
      onClose={close}
    >
      <p class="subject">
        <strong>
          <bdi>{task.name}</bdi>
        </strong>{" "}
        <Status status={task.status} />
      </p>
      <p>{tn("ask", action)}</p>
      <label>
        {t("reason")}
        <input ref={reason} type="text" maxLength={1024} autocomplete="off" />
      </label>
      {isStale && !isWriting && !error && (
        <Notice kind="warning">{isGone ? t("gone") : t("notAllowed", { status: tn("status", task.status) })}</Notice>
      )}
      {!(isStale && !error) && <WriteNotice writing={writing} />}
    </Dialog>
  );
}
