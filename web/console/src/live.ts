// Keeps a visible page up to date.

import { Code, type WatchUpdate } from "@outbound-tasks/client";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { follow, type WatchMessage } from "./feed";
import { refuse, type Session } from "./session";
import { store } from "./store";

export type Connection = "connecting" | "live" | "reconnecting" | "resting" | "off";

/** The state of the watch of the current page. */
export const connection = store<Connection>("connecting");

/** A page that is hidden for this long, in milliseconds, stops its watch. */
const REST_MS = 60_000;

/** What a page does with the messages of its watch. */
export interface Watcher {
  /** Called with changes of any tasks of the tenant. */
  update: (update: Pick<WatchUpdate, "changes">) => void;
  /**
   * Called when changes may have been missed: at the beginning, with the time since when all changes are received, and
   * without a time whenever the watch began again.
   */
  listAgain: (asOf: Date | undefined) => void;
}

/** Watches all tasks that the session's key can read, shared with the other tabs. */
export function useWatch({ key }: Session, on: Watcher): void {
  const latest = useRef(on);
  latest.current = on;
  useEffect(() => {
    let stop: (() => void) | undefined;
    let rest: ReturnType<typeof setTimeout> | undefined;
    const start = () => {
      let isFirst = true;
      connection.set("connecting");
      return follow(key, (message: WatchMessage) => {
        if (message.kind === "state") {
          connection.set(message.state);
        } else if (message.kind === "update") {
          const { update } = message;
          if (isFirst || update.anew) {
            latest.current.listAgain(update.anew ? undefined : update.asOf);
            isFirst = false;
          }
          latest.current.update(update);
        } else if (message.kind === "ended") {
          if (message.code === Code.Unauthenticated) {
            refuse();
          } else {
            // A retry cannot help: the page shows that it is not live, and the browser's log has the reason.
            console.warn(message.message);
            connection.set("off");
          }
        }
      });
    };
    const look = () => {
      clearTimeout(rest);
      if (document.visibilityState === "hidden") {
        rest = setTimeout(() => {
          stop?.();
          stop = undefined;
          connection.set("resting");
        }, REST_MS);
      } else {
        stop ??= start();
      }
    };
    // The page was restored from the browser's cache, and its watch was stopped before.
    const back = ({ persisted }: PageTransitionEvent) => {
      if (persisted) {
        stop?.();
        stop = start();
      }
    };
    look();
    document.addEventListener("visibilitychange", look);
    addEventListener("pageshow", back);
    return () => {
      document.removeEventListener("visibilitychange", look);
      removeEventListener("pageshow", back);
      clearTimeout(rest);
      stop?.();
    };
  }, [key]);
}

/** Repeated automatic work takes at most one part in this many of the time. */
const SHARE = 5;

/**
 * Calls `act` soon after a request, but at most once per given number of milliseconds, never twice at once, and less often
 * the longer it takes: a list that is expensive to read must not keep the service busy.
 */
export function usePaced(act: () => Promise<void>): (paceMs: number) => void {
  const latest = useRef(act);
  latest.current = act;
  const paced = useMemo(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let due = Number.POSITIVE_INFINITY;
    let last = 0;
    let tookMs = 0;
    let isActing = false;
    const arm = () => {
      clearTimeout(timer);
      if (due < Number.POSITIVE_INFINITY && !isActing) {
        timer = setTimeout(run, Math.max(0, due - Date.now()));
      }
    };
    const run = async () => {
      due = Number.POSITIVE_INFINITY;
      isActing = true;
      last = Date.now();
      try {
        await latest.current();
      } finally {
        isActing = false;
        tookMs = Date.now() - last;
        arm();
      }
    };
    return {
      ask(paceMs: number) {
        due = Math.min(due, last + Math.max(paceMs, SHARE * tookMs));
        arm();
      },
      end: () => {
        due = Number.POSITIVE_INFINITY;
        clearTimeout(timer);
      },
    };
  }, []);
  useEffect(() => paced.end, []);
  return paced.ask;
}
