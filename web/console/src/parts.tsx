// Small components that several pages use.

import { Code, type OutboundTask, type TaskError, type TaskStatus, type Timestamp } from "@outbound-tasks/client";
import type { ComponentChildren } from "preact";
import { errorText, fieldText, violationText } from "./errors";
import { dateOf, fullTime, number, offsetOf, relative, shortTime, t, tn } from "./i18n";
import { isTwice } from "./moment";
import { ACTIVE } from "./route";
import { store } from "./store";

const PATHS = {
  start: "M6 4l11 7-11 7z",
  pause: "M6 4h4v14H6zM13 4h4v14h-4z",
  resume: "M4 4h3v14H4zM9 4l10 7-10 7z",
  stop: "M5 5h12v12H5z",
  complete: "M4 11l5 5L18 6l-1.6-1.6L9 12.6 5.6 9.4z",
  fail: "M11 3l9 16H2zM10 9v5h2V9zm0 6v2h2v-2z",
  first: "M5 5h2v12H5zM17 5v12l-8-6z",
  previous: "M14 5v12l-8-6z",
  next: "M8 5v12l8-6z",
  last: "M15 5h2v12h-2zM5 5v12l8-6z",
  search: "M9.5 3a6.5 6.5 0 015.2 10.4l4.4 4.4-1.4 1.4-4.4-4.4A6.5 6.5 0 119.500 3zm0 2a4.500 4.500 0 100 9 4.500 4.500 0 000-9z",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon next to a text, or instead of a text that only screen readers get. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 22 22" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill-rule="evenodd" />
    </svg>
  );
}

/** Whether a task should have ended: what the API calls overdue. */
export function isLate({ status, endTime }: OutboundTask): boolean {
  const end = dateOf(endTime);
  return ACTIVE.includes(status) && end !== undefined && end < new Date();
}

export function Status({ status }: { status: TaskStatus }) {
  return <span class={`status s${status}`}>{tn("status", status)}</span>;
}

export function Progress({ task }: { task: OutboundTask }) {
  return (
    <span class="progress">
      <progress max={100} value={task.progress} aria-label={t("progress")} />
      <span class="percent">{number(task.progress)}%</span>
    </span>
  );
}

/** Changes every half a minute, for times that are told from now. */
const minute = store(0);
setInterval(() => minute.set(minute.get() + 1), 30_000);

/** A time; `full` to the second, and how far it is from now. */
export function Time({ time, full = false }: { time: Timestamp | undefined; full?: boolean }) {
  const date = dateOf(time);
  if (!date) {
    return null;
  }
  return full ? (
    <FullTime date={date} />
  ) : (
    <time dateTime={date.toISOString()} title={fullTime(date)}>
      <Short parts={shortTime(date)} />
    </time>
  );
}

function FullTime({ date }: { date: Date }) {
  minute.use();
  return (
    <time dateTime={date.toISOString()}>
      {fullTime(date)} {isTwice(date) && offsetOf(date)} <span class="quiet">({relative(date)})</span>
    </time>
  );
}

function Short({ parts: [day, hour] }: { parts: [string, string] }) {
  return (
    <>
      <span>{day}</span> <span>{hour}</span>
    </>
  );
}

/** A message within the page. */
export function Notice({ kind, children }: { kind: "error" | "warning" | "info"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      {children}
    </div>
  );
}

/** An error with all field violations, and a way to retry. */
export function ErrorNotice({ error, retry }: { error: TaskError; retry?: () => void }) {
  const isAway = error.code === Code.Unavailable;
  return (
    <Notice kind={isAway ? "warning" : "error"}>
      <p>{errorText(error)}</p>
      {error.fields.length > 0 && (
        <ul>
          {error.fields.map((violation, n) => (
            <li key={n}>
              <strong>{fieldText(violation)}</strong> {violationText(violation)}
            </li>
          ))}
        </ul>
      )}
      {!isAway && error.requestId && <p class="quiet">{t("request", { id: error.requestId })}</p>}
      {retry && (
        <button type="button" onClick={retry}>
          {t("retry")}
        </button>
      )}
    </Notice>
  );
}

/** A short message about a completed action, visible and for screen readers; it disappears after a while. */
interface Message {
  text: string;
  /** A button, such as to undo the action. */
  offer?: { text: string; act: () => void };
}

const toast = store<Message | undefined>(undefined);
let fading: ReturnType<typeof setTimeout> | undefined;

export function say(text: string, offer?: Message["offer"]): void {
  clearTimeout(fading);
  toast.set({ text, offer });
  fading = setTimeout(() => toast.set(undefined), offer ? 12_000 : 6000);
}

/** Copies a text to the clipboard, and says so. Pages without TLS have no clipboard but a selection. */
export function copy(text: string): void {
  const copied = () => say(t("copied"));
  const clipboard: Clipboard | undefined = navigator.clipboard;
  if (clipboard) {
    clipboard.writeText(text).then(copied, () => say(text));
    return;
  }
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  if (document.execCommand("copy")) {
    copied();
  }
  field.remove();
}

export function Toast() {
  const message = toast.use();
  const offer = message?.offer;
  return (
    <div class="toast" role="status" aria-live="polite">
      {message && (
        <p>
          {message.text}
          {offer && (
            <button
              type="button"
              onClick={() => {
                toast.set(undefined);
                offer.act();
              }}
            >
              {offer.text}
            </button>
          )}
        </p>
      )}
    </div>
  );
}
