// One watch for all tabs of a browser. Over HTTP/1.1 a browser opens at most six connections to a host, and a watch keeps
// one of them busy: with one for each tab the seventh would wait for ever, and no action of the others would get through.
//
// A SharedWorker (shared.ts) holds one watch of all tasks for each key that is in use, and tells every tab of that key
// what changes; a tab decides by itself what that is to its list. The worker outlives every tab but the last, so nothing
// is lost where one is closed. A browser without SharedWorker (Chrome on Android, which shows one tab at a time) runs the
// same code in the tab. A tab with another key has another watch: changes never pass from one key to another.

import { Code, OutboundTasks, TaskError, type WatchUpdate } from "@outbound-tasks/client";

/** What a watch tells its tabs. */
export type Told =
  /** How it is. */
  | { kind: "state"; state: "connecting" | "live" | "reconnecting" }
  /** Changes, in this order; none in a heartbeat. */
  | { kind: "update"; update: Pick<WatchUpdate, "changes" | "anew" | "asOf"> }
  /** It ended for good. */
  | { kind: "ended"; code: Code; message: string }
  /** The worker is there. */
  | { kind: "pong" };

/** What a tab asks of the worker: to be told what the watch of a key tells, to be told no more, or for a sign of life. */
export type Asked = { kind: "follow"; key: string } | { kind: "leave" } | { kind: "ping" };

/** How often a tab asks the worker for a sign of life. */
export const PING_MS = 15_000;

/** The name of the worker's script: the build puts it in. */
declare const SHARED_SCRIPT: string;

/** What a row of a list shows, and what decides to which lists a task belongs. */
export const FIELDS = [
  "task_id", "name", "target", "start_time", "end_time", "status", "progress", "created_at", "updated_at", "target_count",
  "allowed_actions", "etag",
];
/** How many of a task's targets a row shows. */
export const INLINE_TARGETS = 1;

/** Watches all tasks with a key until `signal` is aborted or trying again cannot help. */
export async function feed(key: string, signal: AbortSignal, tell: (told: Told) => void): Promise<void> {
  const service = new OutboundTasks({ baseUrl: location.origin, apiKey: key });
  let wasLive = false;
  try {
    const watch = service.watch({ skipInitial: true, targetLimit: INLINE_TARGETS, readMask: { paths: FIELDS } }, {
      signal,
      onState: ({ kind }) => {
        wasLive ||= kind === "live";
        tell({ kind: "state", state: kind === "live" ? "live" : wasLive || kind === "waiting" ? "reconnecting" : "connecting" });
      },
    });
    for await (const { changes, anew, asOf } of watch) {
      if (signal.aborted) {
        return;
      }
      tell({ kind: "update", update: { changes, anew, asOf } });
    }
  } catch (reason) {
    if (!signal.aborted) {
      const { code, message } = TaskError.from(reason);
      tell({ kind: "ended", code, message });
    }
  }
}

/** Is told what the watch of a key tells, over the worker where there is one; the answer ends that. */
export function follow(key: string, told: (told: Told) => void): () => void {
  const stop = new AbortController();
  const alone = () => {
    if (!stop.signal.aborted) {
      void feed(key, stop.signal, told);
    }
  };
  if (typeof SharedWorker === "undefined") {
    alone();
  } else {
    attach(key, told, stop.signal, alone);
  }
  return () => stop.abort();
}

function attach(key: string, told: (told: Told) => void, signal: AbortSignal, alone: () => void): void {
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(SHARED_SCRIPT, { name: "outbound-tasks" });
  } catch {
    return alone(); // forbidden here
  }
  const { port } = worker;
  const ask = (asked: Asked) => port.postMessage(asked);
  let heard = Date.now();
  const end = () => {
    clearInterval(pings);
    signal.removeEventListener("abort", end);
    removeEventListener("pagehide", leave);
    ask({ kind: "leave" });
    port.close();
  };
  // A page that may be shown again out of the browser's cache follows anew then.
  const leave = () => ask({ kind: "leave" });
  const pings = setInterval(() => {
    // A worker that the system ended cannot say so. The timers of a hidden tab may rest, but so does its watch.
    if (Date.now() - heard > 3 * PING_MS && document.visibilityState === "visible") {
      end();
      attach(key, told, signal, alone);
    } else {
      ask({ kind: "ping" });
    }
  }, PING_MS);
  port.onmessage = ({ data }: MessageEvent<Told>) => {
    heard = Date.now();
    if (data.kind !== "pong" && !signal.aborted) {
      told(data);
    }
  };
  worker.onerror = () => {
    end();
    alone();
  };
  signal.addEventListener("abort", end);
  addEventListener("pagehide", leave);
  ask({ kind: "follow", key });
}
