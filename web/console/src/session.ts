// The session of this tab. The key is stored in the tab's session storage and sent in a header. It is never part of an
// address, so it is in no history, bookmark or proxy log.
//
// A tab that was opened by a link asks the other tabs of the console for the key, over a BroadcastChannel, which only
// reaches pages of the same origin in the same browser. The key thus lasts as long as any tab has it. Signing out ends
// the session in all tabs, so that a user who leaves the computer leaves no session behind.

import { Code, OutboundTasks, TaskError } from "@outbound-tasks/client";
import { store } from "./store";

const KEY = "outbound-tasks.key";
/** How long a new tab waits for a key from another tab before it shows the login, in milliseconds. */
const ANSWER_MS = 400;

export interface Session {
  service: OutboundTasks;
  key: string;
  /** Whether the key may write; undefined until this is known. */
  canWrite: boolean | undefined;
}

/** The session, or why there is none; "asking" while other tabs are asked for a key. */
export const session = store<Session | "asking" | "signed out" | "refused">("signed out");

/** A message between tabs. `seen` is the time when the tab was last visible. */
type TabMessage = { kind: "ask" } | { kind: "key"; key: string; seen: number } | { kind: "out" };

const channel = new BroadcastChannel("outbound-tasks.session");
const broadcast = (message: TabMessage) => channel.postMessage(message);
let seen = 0;
const look = () => {
  seen = document.visibilityState === "visible" ? Date.now() : seen;
};
look();
document.addEventListener("visibilitychange", look);
addEventListener("focus", look);
addEventListener("blur", look);

/** The key of the tab that was visible last, because links are opened from there. */
let offered: { key: string; seen: number } | undefined;

channel.onmessage = ({ data }: MessageEvent<TabMessage>) => {
  const now = session.get();
  if (data.kind === "ask") {
    if (typeof now !== "string") {
      broadcast({ kind: "key", key: now.key, seen });
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

/** Resumes the session of this tab after a reload, or else takes that of another tab. */
export function resume(): void {
  const key = sessionStorage.getItem(KEY);
  if (key) {
    return begin(service(key), key);
  }
  session.set("asking");
  broadcast({ kind: "ask" });
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

/** Begins a session; throws a TaskError if the key cannot read tasks. */
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
      // If it cannot be determined, allow the actions: the service checks each of them anyway.
      settle(true);
    }
  });
}

function end(why: "signed out" | "refused"): void {
  sessionStorage.removeItem(KEY);
  session.set(why);
}

/** Ends the session in this tab and in all others. */
export function signOut(): void {
  broadcast({ kind: "out" });
  end("signed out");
}

/** Ends the session of this tab because its key is no longer accepted. */
export function refuse(): void {
  end("refused");
}

/** Ends the session if an error says that the key is no longer accepted; returns whether it does. */
export function endedBy(reason: unknown): boolean {
  const isOver = TaskError.from(reason).code === Code.Unauthenticated;
  if (isOver) {
    refuse();
  }
  return isOver;
}
