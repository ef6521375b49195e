// The worker that the tabs of a browser share, see feed.ts. It stores nothing: it holds keys in memory while a tab
// has them.

import { feed, type KeyMessage, type KeyRequest, PING_MS, type TabRequest, type WatchMessage } from "./feed";

/** How long a watch continues without a tab, in milliseconds, because a reload unsubscribes and subscribes again. */
const LINGER_MS = 3000;
/** A tab that is silent for this long, in milliseconds, is gone. Timers of hidden tabs run once a minute. */
const GONE_MS = 8 * PING_MS;

/** The watch of a key with its tabs. */
interface Shared {
  readonly stop: AbortController;
  readonly tabs: Set<MessagePort>;
  state: WatchMessage;
  /** The time up to which changes were last reported. */
  asOf: Date | undefined;
  linger: ReturnType<typeof setTimeout> | undefined;
}

const watches = new Map<string, Shared>();
/** The keys of the open tabs, with the times when the tabs were last visible. */
const keys = new Map<MessagePort, { key: string; seen: number }>();
const heard = new WeakMap<MessagePort, number>();

function start(key: string): Shared {
  const shared: Shared = { stop: new AbortController(), tabs: new Set(), state: { kind: "state", state: "connecting" }, asOf: undefined, linger: undefined };
  watches.set(key, shared);
  void feed(key, shared.stop.signal, (message) => {
    if (message.kind === "state") {
      shared.state = message;
    } else if (message.kind === "update") {
      shared.asOf = message.update.asOf ?? shared.asOf;
    } else if (message.kind === "ended") {
      watches.delete(key); // a later subscription starts a new watch
    }
    for (const tab of shared.tabs) {
      if (Date.now() - (heard.get(tab) ?? 0) > GONE_MS) {
        leave(key, tab);
      } else {
        tab.postMessage(message);
      }
    }
  });
  return shared;
}

function join(key: string, tab: MessagePort): void {
  const shared = watches.get(key) ?? start(key);
  clearTimeout(shared.linger);
  shared.tabs.add(tab);
  tab.postMessage(shared.state);
  if (shared.asOf) {
    // From this time on the tab receives all changes; what it shows of an earlier time may lack some.
    const begun: WatchMessage = { kind: "update", update: { changes: [], anew: false, asOf: shared.asOf } };
    tab.postMessage(begun);
  }
}

function leave(key: string, tab: MessagePort): void {
  const shared = watches.get(key);
  if (shared?.tabs.delete(tab) && shared.tabs.size === 0) {
    shared.linger = setTimeout(() => {
      shared.stop.abort();
      if (watches.get(key) === shared) {
        watches.delete(key);
      }
    }, LINGER_MS);
  }
}

function aboutKeys(tab: MessagePort, request: KeyRequest): void {
  switch (request.kind) {
    case "hold":
      keys.set(tab, request);
      break;
    case "forget":
      keys.delete(tab);
      break;
    case "out":
      for (const [other, { key }] of keys) {
        if (key === request.key) {
          keys.delete(other);
        }
      }
      break;
    case "key?": {
      const [last] = [...keys.values()].sort((one, other) => other.seen - one.seen);
      tab.postMessage({ kind: "key", key: last?.key ?? "", seen: last?.seen ?? 0 } satisfies KeyMessage);
    }
  }
}

// The DOM types do not include the global scope of a worker.
(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = ({ ports: [tab] }) => {
  let key: string | undefined;
  if (!tab) {
    return;
  }
  tab.onmessage = ({ data }: MessageEvent<TabRequest>) => {
    heard.set(tab, Date.now());
    if (data.kind === "hold" || data.kind === "forget" || data.kind === "out" || data.kind === "key?") {
      return aboutKeys(tab, data);
    }
    if (data.kind === "ping") {
      tab.postMessage({ kind: "pong" } satisfies WatchMessage);
      return;
    }
    if (key !== undefined) {
      leave(key, tab);
      key = undefined;
    }
    if (data.kind === "follow") {
      key = data.key;
      join(key, tab);
    }
  };
};
