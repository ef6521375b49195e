// Notifications when watched tasks end. The browser keeps the ids of the watched tasks for each tenant until the viewer signs
// out. As long as there are any, every open tab listens to the watch that the tabs share, also a hidden one. What ended while no
// tab listened is found by one request when the watch begins, and whenever it begins again.
//
// All tabs hear of an end. The first one forgets the task; the tag of the notification makes two at the same time one.

import { type OutboundTask, TaskStatus } from "@outbound-tasks/client";
import { useEffect, useRef } from "preact/hooks";
import { follow } from "./feed";
import { t, tn } from "./i18n";
import { keepWatched, keptWatched } from "./kept";
import { say } from "./parts";
import { go, taskHref } from "./route";
import type { Session } from "./session";
import { store } from "./store";

const ENDED = [TaskStatus.COMPLETED, TaskStatus.STOPPED, TaskStatus.FAILED];
/** The maximum number of watched tasks: one request finds all of them. The oldest ones are forgotten. */
const MOST = 200;

/** What a notification needs of a task. */
type Named = Pick<OutboundTask, "taskId" | "name" | "status">;

/** The ids of the watched tasks of this tab's tenant. */
const watched = store<readonly string[]>([]);

/** Changes the watched tasks of a tenant, from those that any tab has kept. */
function change(tenant: string, by: (ids: string[]) => string[]): void {
  const ids = by(keptWatched(tenant)).slice(-MOST);
  keepWatched(tenant, ids);
  watched.set(ids);
}

/** The watched tasks, for the frame of the console: tells when one of them ends. It shows nothing. */
export function Ends({ session: { tenant, key, service } }: { session: Session }) {
  const ids = watched.use();
  useEffect(() => {
    const read = () => watched.set(keptWatched(tenant));
    read();
    addEventListener("storage", read); // another tab has changed them
    return () => removeEventListener("storage", read);
  }, [tenant]);
  /** Whether an end can be missing: one from before the watch, or while a task was added. */
  const isBehind = useRef(true);
  const seen = (task: Named) => {
    if (ENDED.includes(task.status) && keptWatched(tenant).includes(task.taskId)) {
      change(tenant, (ids) => ids.filter((id) => id !== task.taskId));
      tell(tenant, task);
    }
  };
  const catchUp = () => {
    const taskIds = keptWatched(tenant);
    if (isBehind.current && taskIds.length > 0) {
      isBehind.current = false;
      const request = { taskIds, limit: taskIds.length, targetLimit: 0, readMask: { paths: ["task_id", "name", "status"] } };
      service.list(request).then(
        ({ tasks }) => {
          tasks.forEach(seen);
          const left = new Set(tasks.map(({ taskId }) => taskId));
          change(tenant, (ids) => ids.filter((id) => left.has(id) || !taskIds.includes(id))); // the others were deleted
        },
        () => {
          isBehind.current = true; // the next message tries again
        },
      );
    }
  };
  const isAny = ids.length > 0;
  useEffect(() => {
    if (!isAny) {
      return;
    }
    let isFirst = true;
    return follow(key, (message) => {
      if (message.kind === "update") {
        isBehind.current ||= isFirst || message.update.anew;
        isFirst = false;
        catchUp();
        for (const { task } of message.update.changes) {
          task && seen(task);
        }
      }
    });
  }, [isAny, key]);
  const last = ids.at(-1);
  useEffect(() => {
    isBehind.current = true;
    catchUp();
  }, [last, key]);
  return null;
}

/** A notification of the browser, or a message in the console if it cannot show one. */
function tell(tenant: string, { taskId, name, status }: Named): void {
  const text = t("done", { name, status: tn("status", status) });
  try {
    const shown = new Notification(text, { tag: `${tenant} ${taskId}`, icon: "/console/icon.svg" });
    shown.onerror = () => say(text);
    shown.onclick = () => {
      focus();
      go(taskHref(taskId));
      shown.close();
    };
  } catch {
    say(text); // browsers of telephones leave notifications to service workers
  }
}

/** Whether a task can still end. */
export function canEnd({ status }: Named): boolean {
  return !ENDED.includes(status);
}

export function isWatched({ taskId }: Named): boolean {
  return watched.get().includes(taskId);
}

/** Watches a task, or stops watching it. The browser asks for permission the first time. */
export async function toggleWatched({ tenant }: Session, { taskId, name }: Named): Promise<void> {
  if (keptWatched(tenant).includes(taskId)) {
    change(tenant, (ids) => ids.filter((id) => id !== taskId));
    return say(t("tellsNot", { name }));
  }
  // Pages without TLS have no notifications.
  const permission = "Notification" in window ? await Notification.requestPermission() : "denied";
  if (permission !== "granted") {
    return say(t("tellRefused"));
  }
  change(tenant, (ids) => [...ids.filter((id) => id !== taskId), taskId]);
  say(t("tells", { name }));
}

/** The switch on a task's page. */
export function EndSwitch({ task, session }: { task: OutboundTask; session: Session }) {
  const isOn = watched.use().includes(task.taskId);
  return canEnd(task) ? (
    <button type="button" role="switch" class="switch" aria-checked={isOn} onClick={() => void toggleWatched(session, task)}>
      {t("tellEnd")}
    </button>
  ) : null;
}
