// A watch that survives lost connections, restarts of the service, and the maximum age of connections.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { backoff, sleep } from "./backoff.js";
import { TaskError } from "./errors.js";
import type { TaskChange, WatchOutboundTasksRequestSchema, WatchOutboundTasksResponse } from "./gen/outboundtasks/v1/outbound_tasks_pb.js";

/** Which tasks to watch, with the field names of the API. */
export type WatchRequest = Omit<MessageInitShape<typeof WatchOutboundTasksRequestSchema>, "$typeName">;

/** A message of a watch. */
export interface WatchUpdate {
  /** The changes, to be applied in this order; empty in a heartbeat. */
  changes: TaskChange[];
  /**
   * Whether the watch begins again because it could not be resumed, so that earlier data may lack changes. With
   * `skipInitial` list the tasks again; without it drop all earlier data, because the initial tasks follow.
   */
  anew: boolean;
  /** The time up to which all changes have been reported; undefined while more of them follow. */
  asOf: Date | undefined;
  /** Resumes the watch after this update, also in another process; empty while initial tasks follow. */
  resumeToken: string;
}

/** The state of a watch. */
export type WatchState =
  /** The stream is being opened. */
  | { kind: "connecting" }
  /** The service reports changes. */
  | { kind: "live" }
  /** The stream was interrupted; the next attempt follows in `retryInMs`. */
  | { kind: "waiting"; retryInMs: number; error: TaskError };

/** The options of a watch. */
export interface WatchOptions {
  /** Ends the watch without an error. */
  signal?: AbortSignal;
  /** Called when the state changes. */
  onState?: (state: WatchState) => void;
  /** A stream without a message for this long is considered dead; default 25,000 ms. Heartbeats come every 10 s. */
  silenceMs?: number;
}

/** Errors for which a retry cannot help. */
const FINAL = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.Unimplemented,
]);

type Open = (request: WatchRequest, signal: AbortSignal) => AsyncIterable<WatchOutboundTasksResponse>;

/** Watches over as many streams as necessary. Ends when `signal` is aborted; throws a TaskError if a retry cannot help. */
export async function* watch(open: Open, request: WatchRequest, options: WatchOptions = {}): AsyncGenerator<WatchUpdate, void, undefined> {
  const { signal, onState, silenceMs = 25_000 } = options;
  let token = request.resumeToken ?? "";
  let begun = false; // an update was received, so a start without a token is a new beginning
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
          error = TaskError.from("this watch has lost changes");
          break;
        }
        tries = 0;
        onState?.({ kind: "live" });
        const { changes, resumeToken, asOf, fresh } = next.value;
        // The service reports the same for each watch that begins without a token.
        anew ||= begun && fresh;
        token = resumeToken;
        begun = true;
        yield { changes, anew, asOf: asOf && timestampDate(asOf), resumeToken };
        anew = false;
      }
    } catch (reason) {
      error = TaskError.from(reason);
    } finally {
      // Also when the caller leaves its loop, so that the stream does not continue.
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

/** The value of the promise, or an error after `ms` milliseconds; `giveUp` releases what the promise depends on. */
async function within<T>(ms: number, promise: Promise<T>, giveUp: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      giveUp();
      reject(TaskError.from(`no message was received for ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
