// What keeps a page true while it is looked at.

import { type OutboundTasks, TaskError, type WatchRequest, type WatchUpdate } from "@outbound-tasks/client";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { endedBy } from "./session";
import { store } from "./store";

export type Connection = "connecting" | "live" | "reconnecting" | "resting" | "off";

/** How the watch of the page in sight is. */
export const connection = store<Connection>("connecting");

/** How many of a task's targets a row shows. */
export const INLINE_TARGETS = 1;
/** How long nobody may look at a page before its watch ends: browsers allow few connections to one host. */
const REST_MS = 60_000;

/**
 * Watches what matches `filter`, changes alone. `update` is told of them; `listAgain` is called where changes may have
 * been missed: after the first message, which tells since when nothing is, and whenever the watch began anew.
 */
export function useWatch(
  service: OutboundTasks,
  filter: WatchRequest["filter"],
  readMask: string[] | undefined,
  on: { update: (update: WatchUpdate) => void; listAgain: (asOf: Date | undefined) => void },
): void {
  const latest = useRef(on);
  latest.current = on;
  const key = JSON.stringify(filter, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  useEffect(() => {
    let stop: AbortController | undefined;
    let rest: ReturnType<typeof setTimeout> | undefined;
    const start = async () => {
      const own = new AbortController();
      stop = own;
      let isFirst = true;
      let wasLive = false;
      connection.set("connecting");
      const request = { filter, skipInitial: true, targetLimit: INLINE_TARGETS, readMask: readMask && { paths: readMask } };
      try {
        const watch = service.watch(request, {
          signal: own.signal,
          onState: ({ kind }) => {
            wasLive ||= kind === "live";
            connection.set(kind === "live" ? "live" : wasLive || kind === "waiting" ? "reconnecting" : "connecting");
          },
        });
        for await (const update of watch) {
          if (own.signal.aborted) {
            return;
          }
          if (isFirst || update.anew) {
            latest.current.listAgain(update.anew ? undefined : update.asOf);
            isFirst = false;
          }
          latest.current.update(update);
        }
      } catch (reason) {
        if (!own.signal.aborted && !endedBy(reason)) {
          // Nothing that trying again would mend: the page says that it is not live, and why is in the console's log.
          console.warn(TaskError.from(reason).message);
          connection.set("off");
        }
      }
    };
    const look = () => {
      clearTimeout(rest);
      if (document.visibilityState === "hidden") {
        rest = setTimeout(() => {
          stop?.abort();
          stop = undefined;
          connection.set("resting");
        }, REST_MS);
      } else if (!stop) {
        void start();
      }
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(rest);
      stop?.abort();
    };
  }, [service, key]);
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
