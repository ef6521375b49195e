// One watch for all tabs of a browser. Over HTTP/1.1, browsers open at most six connections per host, and a watch
// occupies one permanently. With a watch in each tab, the seventh would wait for ever, and no action of the others
// would get through.
//
// A SharedWorker (shared.ts) runs one watch of all tasks for each key in use, and forwards the changes to every tab
// with that key; each tab decides what a change means for its list. The worker outlives every tab but the last, so
// closing a tab loses nothing. A browser without SharedWorker (Chrome on Android, which shows one tab at a time) runs
// the same code in the tab. A tab with another key has another watch: changes never pass from one key to another.

import { Code, OutboundTasks, TaskError, type WatchUpdate } from "@outbound-tasks/client";

/** A message of a watch to its tabs. */
export type WatchMessage =
  /** The state of the watch. */
  | { kind: "state"; state: "connecting" | "live" | "reconnecting" }
  /** Changes, in this order; empty in a heartbeat. */
  | { kind: "update"; update: Pick<WatchUpdate, "changes" | "anew" | "asOf"> }
  /** The watch ended permanently. */
  | { kind: "ended"; code: Code; message: string }
  /** The worker is alive. */
  | { kind: "pong" };

/** A request of a tab to the worker: subscribe to the watch of a key, unsubscribe, or check that the worker is alive. */
export type TabRequest = { kind: "follow"; key: string } | { kind: "leave" } | { kind: "ping" } | KeyRequest;

/**
 * A request about the keys of tabs: this tab has a key and was visible then; it has none; all tabs with this key sign out; ask
 * for the key of the tab that was visible last.
 */
export type KeyRequest = { kind: "hold"; key: string; seen: number } | { kind: "forget" } | { kind: "out"; key: string } | { kind: "key?" };

/** The key of the tab that was visible last; empty if no tab has one. */
export interface KeyMessage {
  kind: "key";
  key: string;
  seen: number;
}

/** A watch that is silent for this long, in milliseconds, is checked: heartbeats only come every 10 seconds. */
const SILENT_MS = 4000;
/** How long the service may take to answer a check, in milliseconds. */
const CHECK_MS = 3000;

/** How often a tab checks that the worker is alive. */
export const PING_MS = 15_000;

/** The name of the worker's script; the build inserts it. */
declare const SHARED_SCRIPT: string;

/** The fields that a row shows, and those that decide to which lists a task belongs. */
export const FIELDS = [
  "task_id", "name", "target", "start_time", "end_time", "status", "progress", "created_at", "updated_at", "target_count",
  "allowed_actions", "etag", "labels",
];
/** The number of targets that a row shows. */
export const INLINE_TARGETS = 1;

/** Watches all tasks with a key until `signal` is aborted or a retry cannot help. */
export async function feed(key: string, signal: AbortSignal, report: (message: WatchMessage) => void): Promise<void> {
  const service = new OutboundTasks({ baseUrl: location.origin, apiKey: key });
  let wasLive = false;
  const silence = checkSilence(signal, (state) => report({ kind: "state", state }));
  try {
    const watch = service.watch({ skipInitial: true, targetLimit: INLINE_TARGETS, readMask: { paths: FIELDS } }, {
      signal,
      onState: ({ kind }) => {
        wasLive ||= kind === "live";
        silence.arm(kind === "live");
        report({ kind: "state", state: kind === "live" ? "live" : wasLive || kind === "waiting" ? "reconnecting" : "connecting" });
      },
    });
    for await (const { changes, anew, asOf } of watch) {
      if (signal.aborted) {
        return;
      }
      report({ kind: "update", update: { changes, anew, asOf } });
    }
  } catch (reason) {
    if (!signal.aborted) {
      const { code, message } = TaskError.from(reason);
      report({ kind: "ended", code, message });
    }
  } finally {
    silence.arm(false);
  }
}

/**
 * Asks a silent service whether it is there, until the next message. A server that hangs keeps its connections open, so the
 * watch itself would notice only after the longest silence that is allowed.
 */
function checkSilence(signal: AbortSignal, report: (state: "live" | "reconnecting") => void): { arm: (isLive: boolean) => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let round = 0; // an answer that arrives after the next message means nothing
  const check = async (own: number) => {
    const isThere = await fetch("/console/", { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(CHECK_MS) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (own === round && !signal.aborted) {
      report(isThere ? "live" : "reconnecting");
      timer = setTimeout(() => void check(own), SILENT_MS);
    }
  };
  return {
    arm(isLive) {
      clearTimeout(timer);
      round += 1;
      const own = round;
      if (isLive) {
        timer = setTimeout(() => void check(own), SILENT_MS);
      }
    },
  };
}

/** Subscribes to the watch of a key, through the worker if possible; the returned function unsubscribes. */
export function follow(key: string, report: (message: WatchMessage) => void): () => void {
  const stop = new AbortController();
  const alone = () => {
    if (!stop.signal.aborted) {
      void feed(key, stop.signal, report);
    }
  };
  if (typeof SharedWorker === "undefined") {
    alone();
  } else {
    attach(key, report, stop.signal, alone);
  }
  return () => stop.abort();
}

/** Connects to the worker for the keys of tabs; undefined in a browser without one. */
export function askWorker(answered: (message: KeyMessage) => void): ((request: KeyRequest) => void) | undefined {
  if (typeof SharedWorker === "undefined") {
    return undefined;
  }
  try {
    const { port } = new SharedWorker(SHARED_SCRIPT, { name: "outbound-tasks" });
    port.onmessage = ({ data }: MessageEvent<KeyMessage>) => answered(data);
    return (request) => port.postMessage(request);
  } catch {
    return undefined; // SharedWorker is forbidden here
  }
}

function attach(key: string, report: (message: WatchMessage) => void, signal: AbortSignal, alone: () => void): void {
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(SHARED_SCRIPT, { name: "outbound-tasks" });
  } catch {
    return alone(); // SharedWorker is forbidden here
  }
  const { port } = worker;
  const ask = (request: TabRequest) => port.postMessage(request);
  let heard = Date.now();
  const end = () => {
    clearInterval(pings);
    signal.removeEventListener("abort", end);
    removeEventListener("pagehide", leave);
    ask({ kind: "leave" });
    port.close();
  };
  // The browser may restore this page from its cache; it subscribes again then.
  const leave = () => ask({ kind: "leave" });
  const pings = setInterval(() => {
    // A worker that the system ended cannot report it. In a hidden tab, timers may be suspended, but then its watch is
    // too.
    if (Date.now() - heard > 3 * PING_MS && document.visibilityState === "visible") {
      end();
      attach(key, report, signal, alone);
    } else {
      ask({ kind: "ping" });
    }
  }, PING_MS);
  port.onmessage = ({ data }: MessageEvent<WatchMessage>) => {
    heard = Date.now();
    if (data.kind !== "pong" && !signal.aborted) {
      report(data);
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
