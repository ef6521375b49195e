// The session of this tab. The key is stored in the tab's session storage and sent in a header. It is never part of an
// address, so it is in no history, bookmark or proxy log.
//
// A tab that was opened by a link or by hand gets the key of the tab that was visible last. It asks the shared worker, which
// holds the keys of the open tabs in memory, also of tabs that the browser has frozen, and it asks the other tabs over a
// BroadcastChannel, which only reaches pages of the same origin in the same browser. The key thus lasts as long as any tab
// has it. Signing out ends the session in all tabs with the same key, so that a user who leaves the computer leaves no session
// behind; tabs with another key keep theirs.

import { Code, OutboundTasks, TaskError } from "@outbound-tasks/client";
import { askWorker, type KeyMessage } from "./feed";
import { keepWatched } from "./kept";
import { known } from "./labels";
import { store } from "./store";
import { openZone } from "./zone";

const KEY = "outbound-tasks.key";
/** How long a new tab waits for a key from another tab before it shows the login, in milliseconds. */
const ANSWER_MS = 400;

export interface Session {
  service: OutboundTasks;
  key: string;
  /** The tenant and the public id of the key. */
  tenant: string;
  keyId: string;
  /** The name of the key; undefined until this is known. */
  keyName?: string;
  /** Whether the key may write; undefined until this is known. */
  canWrite: boolean | undefined;
  /** Whether the key may manage the keys of its tenant. */
  isAdmin?: boolean;
}

/** The session, or why there is none; "asking" while other tabs are asked for a key. */
export const session = store<Session | "asking" | "signed out" | "refused">("signed out");

/** A message between tabs. `seen` is the time when the tab was last visible. */
type TabMessage = { kind: "ask" } | { kind: "key"; key: string; seen: number } | { kind: "out"; key: string };

const channel = new BroadcastChannel("outbound-tasks.session");
const broadcast = (message: TabMessage) => channel.postMessage(message);
let seen = 0;

/** Notes when this tab was visible, and tells the worker which key it has. */
const look = () => {
  seen = document.visibilityState === "visible" ? Date.now() : seen;
  hold();
};
document.addEventListener("visibilitychange", look);
addEventListener("focus", look);
addEventListener("blur", look);
addEventListener("pageshow", look); // also if it comes back from the browser's cache
addEventListener("pagehide", () => worker?.({ kind: "forget" }));

/** The key of the tab that was visible last, because links are opened from there. */
let offered: { key: string; seen: number } | undefined;

const worker = askWorker(({ key, seen }: KeyMessage) => {
  // The worker knows all tabs, so there is nothing more to wait for.
  if (session.get() === "asking" && key) {
    offered = offered && offered.seen > seen ? offered : { key, seen };
    take();
  }
});

function hold(): void {
  const now = session.get();
  worker?.(typeof now === "string" ? { kind: "forget" } : { kind: "hold", key: now.key, seen });
}

channel.onmessage = ({ data }: MessageEvent<TabMessage>) => {
  const now = session.get();
  if (data.kind === "ask") {
    if (typeof now !== "string") {
      broadcast({ kind: "key", key: now.key, seen });
    }
  } else if (data.kind === "out") {
    if (typeof now !== "string" && now.key === data.key) {
      end("signed out");
    }
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
  worker?.({ kind: "key?" });
  setTimeout(take, ANSWER_MS);
}

/** Takes the key that was offered, if a tab still waits for one. */
function take(): void {
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

/** The public id of a key, which has the form `otk_<key id>_<secret>`; the id begins with the tenant and a dot. */
export function keyIdOf(key: string): string {
  return key.slice(key.indexOf("_") + 1, Math.max(0, key.lastIndexOf("_")));
}

function begin(asked: OutboundTasks, key: string): void {
  const keyId = keyIdOf(key);
  const begun: Session = { service: asked, key, keyId, tenant: keyId.slice(0, keyId.lastIndexOf(".")), canWrite: undefined };
  openZone(begun.tenant);
  session.set(begun);
  look();
  const settle = (part: Partial<Session>) => {
    const now = session.get();
    if (typeof now !== "string" && now.service === asked) {
      session.set({ ...now, ...part });
    }
  };
  asked.canWrite().then(
    (canWrite) => settle({ canWrite }),
    (reason) => {
      if (!endedBy(reason)) {
        // If it cannot be determined, allow the actions: the service checks each of them anyway.
        settle({ canWrite: true });
      }
    },
  );
  // Without the name, the header shows the key's id.
  asked.rpc.getQuota({}).then(({ keyName }) => settle({ keyName: keyName || undefined }), () => undefined);
  asked.keys.listKeys({ limit: 1 }).then(
    () => settle({ isAdmin: true }),
    () => settle({ isAdmin: false }),
  );
}

function end(why: "signed out" | "refused"): void {
  sessionStorage.removeItem(KEY);
  known.clear();
  session.set(why);
  hold();
}

/** Ends the session in this tab and in all others with the same key, and forgets which tasks the viewer watches. */
export function signOut(): void {
  const now = session.get();
  if (typeof now !== "string") {
    keepWatched(now.tenant, []);
    broadcast({ kind: "out", key: now.key });
    worker?.({ kind: "out", key: now.key });
  }
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
