// What keeps a page true while it is looked at.

import { Code, type WatchUpdate } from "@outbound-tasks/client";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { follow, type Told } from "./feed";
import { refuse, type Session } from "./session";
import { store } from "./store";

export type Connection = "connecting" | "live" | "reconnecting" | "resting" | "off";

/** How the watch of the page in sight is. */
export const connection = store<Connection>("connecting");

/** How long nobody may look at a page before it is told of changes no more. */
const REST_MS = 60_000;

/** What a page does with what it is told. */
export interface Watcher {
  /** Changes of any tasks of the tenant. */
  update: (update: Pick<WatchUpdate, "changes">) => void;
  /**
   * Called where changes may have been missed: at the beginning, with the instant since when none is, and without one
   * whenever the watch began anew.
   */
  listAgain: (asOf: Date | undefined) => void;
}

/** Watches all tasks that the session's key can read, together with the other tabs. */
export function useWatch({ key }: Session, on: Watcher): void {
  const latest = useRef(on);
  latest.current = on;
  useEffect(() => {
    let stop: (() => void) | undefined;
    let rest: ReturnType<typeof setTimeout> | undefined;
    const start = () => {
      let isFirst = true;
      connection.set("connecting");
      return follow(key, (told: Told) => {
        if (told.kind === "state") {
          connection.set(told.state);
        } else if (told.kind === "update") {
          const { update } = told;
          if (isFirst || update.anew) {
            latest.current.listAgain(update.anew ? undefined : update.asOf);
            isFirst = false;
          }
          latest.current.update(update);
        } else if (told.kind === "ended") {
          if (told.code === Code.Unauthenticated) {
            refuse();
          } else {
            // Nothing that trying again would mend: the page says that it is not live, and why is in the console's log.
            console.warn(told.message);
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
    // Out of the browser's cache of pages: the watch was left with the page.
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

/** Of the time that passes, what is done again and again by itself takes at most one part in so many. */
const SHARE = 5;

/**
 * Calls `act` as soon as asked to, but not more often than every so many milliseconds, never twice at once, and the less
 * often the longer it takes: a list that is dear to read must not keep the service busy.
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
