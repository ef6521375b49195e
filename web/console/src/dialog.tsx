// What all dialogs share: the frame, its buttons, and what to say if a write fails or takes long.

import { Code, TaskError } from "@outbound-tasks/client";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t, tn } from "./i18n";
import { connection } from "./live";
import { ErrorNotice, Notice } from "./parts";
import { endedBy } from "./session";
import { store } from "./store";

/** Whether a dialog is open. */
export const isDialogOpen = store(false);

/** The dialog that a page has opened; the frame of the console shows it. */
export const opened = store<ComponentChildren>(undefined);

export function openDialog(dialog: ComponentChildren): void {
  opened.set(dialog);
}

export function closeDialog(): void {
  opened.set(undefined);
}

export function Opened() {
  return <>{opened.use()}</>;
}

interface DialogProps {
  title: string;
  /** The text of the button that submits the form. */
  submit: string;
  /** Whether the action cannot be undone. */
  isFinal?: boolean;
  /** Whether there is more in it than a question. */
  isWide?: boolean;
  /** Whether the form cannot be submitted now. */
  isOff: boolean;
  /** Instead of "Cancel"; false for none, if there is nothing but to close. */
  cancel?: string | false;
  onSubmit: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

/** The text of a command without the dots that say that a dialog follows. */
function named(command: string): string {
  return command.replace(/…$/, "");
}

/** A modal dialog with a form. */
export function Dialog({ title, submit, isFinal, isWide, isOff, cancel, onSubmit, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const isGone = useRef(false);
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    isDialogOpen.set(true);
    return () => {
      isGone.current = true;
      dialog?.close(); // gives the focus back
      isDialogOpen.set(false);
    };
  }, []);
  return (
    <dialog ref={element} class={isWide ? "wide" : undefined} aria-labelledby="dialog-title" onClose={() => isGone.current || onClose()}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isOff) {
            onSubmit();
          }
        }}
      >
        <h2 id="dialog-title">{named(title)}</h2>
        {children}
        <div class="buttons">
          {cancel !== false && (
            <button type="button" onClick={onClose}>
              {cancel ?? t("cancel")}
            </button>
          )}
          <button type="submit" class={isFinal ? "primary final" : "primary"} disabled={isOff}>
            {named(submit)}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** A write takes long after this many milliseconds. */
const LONG_MS = 3000;

export interface Writing {
  isWriting: boolean;
  error: TaskError | undefined;
  /** Whether the service has not responded for a while. */
  isLong: boolean;
  /** Does a write; `done` gets its response. */
  run: <T>(write: (options: { signal: AbortSignal; onRetry: () => void }) => Promise<T>, done: (response: T) => void) => void;
}

/** The state of a dialog's write. Closing the dialog stops waiting for it. */
export function useWrite(failed?: () => void): Writing {
  const [isWriting, setWriting] = useState(false);
  const [isLong, setLong] = useState(false);
  const [error, setError] = useState<TaskError>();
  const calls = useRef(new AbortController());
  useEffect(() => () => calls.current.abort(), []);
  useEffect(() => {
    const timer = isWriting ? setTimeout(() => setLong(true), LONG_MS) : undefined;
    return () => clearTimeout(timer);
  }, [isWriting]);
  return {
    isWriting,
    error,
    isLong,
    run(write, done) {
      const { signal } = calls.current;
      setWriting(true);
      setError(undefined);
      write({ signal, onRetry: () => setLong(true) }).then(done, (reason) => {
        if (!signal.aborted && !endedBy(reason)) {
          setError(TaskError.from(reason));
          failed?.();
        }
      }).finally(() => {
        if (!signal.aborted) {
          setWriting(false);
          setLong(false);
        }
      });
    },
  };
}

/** What became of a write so far: that it takes long, or why it failed. */
export function WriteNotice({ writing: { isWriting, isLong, error } }: { writing: Writing }) {
  const state = connection.use();
  if (error) {
    return <Refusal error={error} />;
  }
  if (isWriting && isLong) {
    return <Notice kind="warning">{t("noAnswerYet")}</Notice>;
  }
  return !isWriting && state === "reconnecting" ? <Notice kind="warning">{t("awayNow")}</Notice> : null;
}

/** Why a write failed. */
function Refusal({ error }: { error: TaskError }) {
  switch (error.code) {
    case Code.FailedPrecondition: {
      const words = ["", "pending", "running", "paused", "completed", "stopped", "failed"];
      const status = words.indexOf(error.metadata.status ?? "");
      return status > 0 ? <Notice kind="error">{t("notAllowed", { status: tn("status", status) })}</Notice> : <ErrorNotice error={error} />;
    }
    case Code.NotFound:
      return <Notice kind="error">{t("gone")}</Notice>;
    case Code.PermissionDenied:
      return <Notice kind="error">{t("forbidden")}</Notice>;
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return <Notice kind="error">{t("noAnswer")}</Notice>;
    default:
      return <ErrorNotice error={error} />;
  }
}
