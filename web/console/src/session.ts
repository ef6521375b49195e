// Who is signed in in this tab. The key is kept in the tab's session storage and sent in a header; it is in no address,
// so in no history, bookmark or log of a proxy, and on no disk.
//
// A tab that is opened by a link asks the other tabs of the console for the key, over a BroadcastChannel, which reaches
// pages of the same origin in the same browser only. So there is a key as long as a tab has one. Signing out ends the
// session of all tabs: whoever leaves the computer leaves none behind.

import { Code, OutboundTasks, TaskError } from "@outbound-tasks/client";
import { store } from "./store";

const KEY = "outbound-tasks.key";
/** How long a new tab waits for another to hand over a key before it asks the viewer. */
const ANSWER_MS = 400;

export interface Session {
  service: OutboundTasks;
  key: string;
  /** Whether the key may write; undefined until that is known. */
  canWrite: boolean | undefined;
}

/** The session, or why there is none: "asking" while other tabs are asked for a key. */
export const session = store<Session | "asking" | "signed out" | "refused">("signed out");

/** What tabs tell each other. `seen`: when the tab was last looked at. */
type Told = { kind: "ask" } | { kind: "key"; key: string; seen: number } | { kind: "out" };

const channel = new BroadcastChannel("outbound-tasks.session");
const tell = (told: Told) => channel.postMessage(told);
let seen = 0;
const look = () => {
  seen = document.visibilityState === "visible" ? Date.now() : seen;
};
look();
document.addEventListener("visibilitychange", look);
addEventListener("focus", look);
addEventListener("blur", look);

/** The key of the tab that was looked at last: a link is opened from there. */
let offered: { key: string; seen: number } | undefined;

channel.onmessage = ({ data }: MessageEvent<Told>) => {
  const now = session.get();
  if (data.kind === "ask") {
    if (typeof now !== "string") {
      tell({ kind: "key", key: now.key, seen });
    }
  } else if (data.kind === "out") {
    end("signed out");
  } else if (now === "asking") {
    offered = offered && offered.seen > data.seen ? offered : data;
  }
};

function service(apiKey: string): OutboundTasks {
  return new OutboundTasks({ baseUrl: location.origin, apiKey });
}

/** Takes up the session of this tab, after a reload, or else that of another. */
export function resume(): void {
  const key = sessionStorage.getItem(KEY);
  if (key) {
    return begin(service(key), key);
  }
  session.set("asking");
  tell({ kind: "ask" });
  setTimeout(() => {
    if (session.get() !== "asking") {
      return;
    }
    if (offered) {
      keep(offered.key);
      begin(service(offered.key), offered.key);
    } else {
      session.set("signed out");
    }
    offered = undefined;
  }, ANSWER_MS);
}

/** Begins a session; throws a TaskError where the key may not even read. */
export async function signIn(key: string): Promise<void> {
  const asked = service(key);
  await asked.list({ limit: 1, targetLimit: 0, readMask: { paths: ["task_id"] } });
  keep(key);
  begin(asked, key);
}

function keep(key: string): void {
  sessionStorage.setItem(KEY, key);
}

function begin(asked: OutboundTasks, key: string): void {
  const begun: Session = { service: asked, key, canWrite: undefined };
  session.set(begun);
  const settle = (canWrite: boolean) => {
    if (session.get() === begun) {
      session.set({ ...begun, canWrite });
    }
  };
  asked.canWrite().then(settle, (reason) => {
    if (!endedBy(reason)) {
      // What cannot be known now is not forbidden: the service decides on every action itself.
      settle(true);
    }
  });
}

function end(why: "signed out" | "refused"): void {
  sessionStorage.removeItem(KEY);
  session.set(why);
}

/** Ends the session of this tab and of all others. */
export function signOut(): void {
  tell({ kind: "out" });
  end("signed out");
}

/** Ends the session of this tab, whose key is good no more. */
export function refuse(): void {
  end("refused");
}

/** Ends the session where an error says that the key is good no more. */
export function endedBy(reason: unknown): boolean {
  const isOver = TaskError.from(reason).code === Code.Unauthenticated;
  if (isOver) {
    refuse();
  }
  return isOver;
}
