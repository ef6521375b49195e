// The worker that the tabs of a browser share: see feed.ts. It keeps nothing: keys are in its memory while a tab uses
// them.

import { type Asked, feed, PING_MS, type Told } from "./feed";

/** How long a watch goes on without a tab: a reload leaves and comes back. */
const LINGER_MS = 3000;
/** A tab that was silent for so long is gone, without having said so. The timers of hidden tabs run once a minute. */
const GONE_MS = 8 * PING_MS;

/** The watch of a key. */
interface Shared {
  readonly stop: AbortController;
  readonly tabs: Set<MessagePort>;
  state: Told;
  /** The instant whose committed state was told last. */
  asOf: Date | undefined;
  linger: ReturnType<typeof setTimeout> | undefined;
}

const watches = new Map<string, Shared>();
const heard = new WeakMap<MessagePort, number>();

function start(key: string): Shared {
  const shared: Shared = { stop: new AbortController(), tabs: new Set(), state: { kind: "state", state: "connecting" }, asOf: undefined, linger: undefined };
  watches.set(key, shared);
  void feed(key, shared.stop.signal, (told) => {
    if (told.kind === "state") {
      shared.state = told;
    } else if (told.kind === "update") {
      shared.asOf = told.update.asOf ?? shared.asOf;
    } else if (told.kind === "ended") {
      watches.delete(key); // whoever follows the key from now on asks anew
    }
    for (const tab of shared.tabs) {
      if (Date.now() - (heard.get(tab) ?? 0) > GONE_MS) {
        leave(key, tab);
      } else {
        tab.postMessage(told);
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
    // Since when this tab is told everything: what it shows of an earlier instant may lack changes.
    const begun: Told = { kind: "update", update: { changes: [], anew: false, asOf: shared.asOf } };
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

// The types of a page know no worker's scope.
(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = ({ ports: [tab] }) => {
  let key: string | undefined;
  if (!tab) {
    return;
  }
  tab.onmessage = ({ data }: MessageEvent<Asked>) => {
    heard.set(tab, Date.now());
    if (data.kind === "ping") {
      tab.postMessage({ kind: "pong" } satisfies Told);
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
