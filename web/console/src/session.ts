// Who is signed in in this tab. The key is kept in the tab's session storage and sent in a header; it is in no address,
// so in no history, bookmark or log of a proxy.

import { Code, OutboundTasks, TaskError } from "@outbound-tasks/client";
import { store } from "./store";

const KEY = "outbound-tasks.key";

export interface Session {
  service: OutboundTasks;
  /** Whether the key may write; undefined until that is known. */
  canWrite: boolean | undefined;
}

/** The session, or why there is none. */
export const session = store<Session | "signed out" | "refused">("signed out");

function service(apiKey: string): OutboundTasks {
  return new OutboundTasks({ baseUrl: location.origin, apiKey });
}

/** Takes up the session of this tab, after a reload. */
export function resume(): void {
  const key = sessionStorage.getItem(KEY);
  if (key) {
    begin(service(key));
  }
}

/** Begins a session; throws a TaskError where the key may not even read. */
export async function signIn(key: string): Promise<void> {
  const asked = service(key);
  await asked.list({ limit: 1, targetLimit: 0, readMask: { paths: ["task_id"] } });
  sessionStorage.setItem(KEY, key);
  begin(asked);
}

function begin(asked: OutboundTasks): void {
  const begun = { service: asked, canWrite: undefined };
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

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  session.set("signed out");
}

/** Ends the session where an error says that the key is good no more. */
export function endedBy(reason: unknown): boolean {
  const isOver = TaskError.from(reason).code === Code.Unauthenticated;
  if (isOver) {
    sessionStorage.removeItem(KEY);
    session.set("refused");
  }
  return isOver;
}
