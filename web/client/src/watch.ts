// A watch that lasts: over lost connections, restarts of the service, and its ageing of connections.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { backoff, sleep } from "./backoff.js";
import { TaskError } from "./errors.js";
import type { TaskChange, WatchOutboundTasksRequestSchema, WatchOutboundTasksResponse } from "./gen/outboundtasks/v1/outbound_tasks_pb.js";

/** Which tasks to watch, in the words of the contract. */
export type WatchRequest = Omit<MessageInitShape<typeof WatchOutboundTasksRequestSchema>, "$typeName">;

/** What came to pass. */
export interface WatchUpdate {
  /** The changes, to be applied in this order; none in a heartbeat. */
  changes: TaskChange[];
  /**
   * True where the watch begins anew after one that could not go on: what was known before may lack changes. With
   * `skipInitial` list again; without it, drop all that is known, for the initial tasks follow.
   */
  anew: boolean;
  /** The instant whose committed state is told up to here; undefined while more of it is to come. */
  asOf: Date | undefined;
  /** Goes on behind this update, also in another process; empty while initial tasks are still to come. */
  resumeToken: string;
}

/** How the watch is. */
export type WatchState =
  /** Asking for the stream. */
  | { kind: "connecting" }
  /** The service tells of changes. */
  | { kind: "live" }
  /** The stream broke; the next try comes in `retryInMs`. */
  | { kind: "waiting"; retryInMs: number; error: TaskError };

/** How to watch. */
export interface WatchOptions {
  /** Ends the watch, without an error. */
  signal?: AbortSignal;
  /** Told whenever the state changes. */
  onState?: (state: WatchState) => void;
  /** A stream that is silent for so long is taken for dead; default 25,000. Heartbeats come every 10 seconds. */
  silenceMs?: number;
}

/** Errors that trying again does not mend. */
const FINAL = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.Unimplemented,
]);

type Open = (request: WatchRequest, signal: AbortSignal) => AsyncIterable<WatchOutboundTasksResponse>;

/** Watches over as many streams as it takes. Ends when `signal` is aborted; throws a TaskError that is final. */
export async function* watch(open: Open, request: WatchRequest, options: WatchOptions = {}): AsyncGenerator<WatchUpdate, void, undefined> {
  const { signal, onState, silenceMs = 25_000 } = options;
  let token = request.resumeToken ?? "";
  let begun = false; // something was told, so that beginning without a token is beginning anew
  let tries = 0;
  while (!signal?.aborted) {
    onState?.({ kind: "connecting" });
    const stream = new AbortController();
    const stop = () => stream.abort();
    signal?.addEventListener("abort", stop);
    let anew = begun && token === "";
    let error: TaskError;
    try {
      const messages = open({ ...request, resumeToken: token }, stream.signal)[Symbol.asyncIterator]();
      for (;;) {
        const next = await within(silenceMs, messages.next(), stop);
        if (next.done) {
          error = TaskError.from("the stream ended");
          break;
        }
        if (next.value.listAgain) {
          token = "";
          begun = true;
          error = TaskError.from("changes are lost to this watch");
          break;
        }
        tries = 0;
        onState?.({ kind: "live" });
        const { changes, resumeToken, asOf, fresh } = next.value;
        // The service says so too, of whatever watch it begins without a token.
        anew ||= begun && fresh;
        token = resumeToken;
        begun = true;
        yield { changes, anew, asOf: asOf && timestampDate(asOf), resumeToken };
        anew = false;
      }
    } catch (reason) {
      error = TaskError.from(reason);
    } finally {
      // Also where the caller leaves its loop: the stream must not go on behind it.
      signal?.removeEventListener("abort", stop);
      stream.abort();
    }
    if (signal?.aborted) {
      return;
    }
    if (FINAL.has(error.code)) {
      throw error;
    }
    tries += 1;
    const retryInMs = backoff(tries, error.retryAfterMs);
    onState?.({ kind: "waiting", retryInMs, error });
    await sleep(retryInMs, signal);
  }
}

/** The promise's value, or an error after `ms`; `giveUp` lets go of what is behind the promise. */
async function within<T>(ms: number, promise: Promise<T>, giveUp: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      giveUp();
      reject(TaskError.from(`nothing was heard for ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
