// The client: the rpcs of the API, and helpers that need more than one call.

import type { DescService, MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, Code, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { backoff, sleep } from "./backoff.js";
import { TaskError } from "./errors.js";
import { KeyService } from "./gen/outboundtasks/v1/keys_pb.js";
import {
  type ImportReport,
  type ListOutboundTasksRequestSchema,
  type ListOutboundTasksResponse,
  type OutboundTask,
  OutboundTaskService,
  TaskAction,
  type TaskEvent,
  type TaskTarget,
} from "./gen/outboundtasks/v1/outbound_tasks_pb.js";
import { type ImportTargetOptions, type ImportTaskOptions, upload } from "./upload.js";
import { watch, type WatchOptions, type WatchRequest, type WatchUpdate } from "./watch.js";

export type { CallOptions };

/** All rpcs of the API by their camel-case names. They throw TaskErrors. */
export type Rpcs = Client<typeof OutboundTaskService>;

/** The rpcs that manage the keys of a tenant. They throw TaskErrors. */
export type KeyRpcs = Client<typeof KeyService>;

/** The filter, order and page of a list, with the field names of the API. */
export type ListRequest = Omit<MessageInitShape<typeof ListOutboundTasksRequestSchema>, "$typeName">;

/** The address of the service and the caller's key. */
export interface Options {
  /** The address of the service, such as `https://tasks.example.com`. */
  baseUrl: string;
  /** The API key, or a function that returns it for each call. It is sent in a header, never in an address. */
  apiKey: string | (() => string);
  /** The default timeout of a call in milliseconds; 15,000 if not set. A watch has no such limit. */
  timeoutMs?: number;
  /** Another transport, for tests. */
  transport?: (interceptors: Interceptor[]) => Transport;
}

/** The options of a write that is repeated while no response arrives. */
export interface OnceOptions extends CallOptions {
  /** Called before each repetition. */
  onRetry?: (error: TaskError) => void;
}

/** How often a write is sent at most while the service is unavailable. */
const MOST_TRIES = 4;

/** The service, called with one key. */
export class OutboundTasks {
  /** All rpcs of the API. Browsers cannot send client streams (`addTaskTargets`, imports); `importTargets` and
   * `importTasks` can be used instead. */
  readonly rpc: Rpcs;
  /** The keys of the tenant, for keys with the scope `admin`. */
  readonly keys: KeyRpcs;
  readonly #baseUrl: string;
  readonly #signed: Interceptor;

  constructor(options: Options) {
    const { baseUrl, apiKey, timeoutMs = 15_000 } = options;
    const signed: Interceptor = (next) => (request) => {
      request.header.set("x-api-key", typeof apiKey === "string" ? apiKey : apiKey());
      return next(request);
    };
    this.#baseUrl = baseUrl;
    this.#signed = signed;
    const transport = options.transport?.([signed]) ??
      createGrpcWebTransport({ baseUrl, interceptors: [signed], defaultTimeoutMs: timeoutMs });
    this.rpc = withTaskErrors(OutboundTaskService, transport);
    this.keys = withTaskErrors(KeyService, transport);
  }

  /** One page of a list, with its exact total. */
  list(request: ListRequest, options?: CallOptions): Promise<ListOutboundTasksResponse> {
    return this.rpc.listOutboundTasks(request, options);
  }

  /** All pages of a list, from the first one or from `pageToken`. No task is skipped or repeated. */
  async *pages(request: ListRequest, options?: CallOptions): AsyncGenerator<ListOutboundTasksResponse, void, undefined> {
    yield* walk((pageToken) => this.rpc.listOutboundTasks(pageToken ? { ...request, page: 0, pageToken } : request, options));
  }

  /** All tasks of a list, over all its pages. Larger pages (`limit`, at most 1,000) need fewer calls. */
  async *tasks(request: ListRequest, options?: CallOptions): AsyncGenerator<OutboundTask, void, undefined> {
    for await (const page of this.pages({ limit: 200, ...request }, options)) {
      yield* page.tasks;
    }
  }

  /** All targets of a task, in its order. */
  async *targets(taskId: string, options?: CallOptions): AsyncGenerator<TaskTarget, void, undefined> {
    for await (const page of walk((pageToken) => this.rpc.listTaskTargets({ taskId, pageToken, limit: 1000 }, options))) {
      yield* page.targets;
    }
  }

  /** All events of a task, oldest first. */
  async *events(taskId: string, options?: CallOptions): AsyncGenerator<TaskEvent, void, undefined> {
    for await (const page of walk((pageToken) => this.rpc.listTaskEvents({ taskId, pageToken, limit: 1000 }, options))) {
      yield* page.events;
    }
  }

  /**
   * Reports tasks as they are created, change and disappear, for as long as the caller iterates. An interrupted stream is
   * resumed after the last update. Ends when `options.signal` is aborted; throws if a retry cannot help.
   */
  watch(request: WatchRequest, options?: WatchOptions): AsyncGenerator<WatchUpdate, void, undefined> {
    return watch((message, signal) => this.rpc.watchOutboundTasks(message, { signal, timeoutMs: 0 }), request, options);
  }

  /**
   * Starts, pauses, resumes, completes, stops or fails a task, and returns the changed task. If no response arrives, the
   * call is repeated as by `once`.
   */
  async act(taskId: string, action: TaskAction, reason = "", options?: OnceOptions): Promise<OutboundTask> {
    const rpc = this.#action(action);
    const { task } = await this.once<{ task?: OutboundTask }>((idempotencyKey) => rpc({ taskId, reason, idempotencyKey }, options), options);
    if (!task) {
      throw TaskError.from("the response contains no task");
    }
    return task;
  }

  /**
   * Calls a write with a new idempotency key. If no response arrives, the call is repeated with the same key, so the write is
   * done only once.
   */
  async once<T>(write: (idempotencyKey: string) => Promise<T>, options?: OnceOptions): Promise<T> {
    const idempotencyKey = randomKey();
    for (let tries = 1; ; tries += 1) {
      try {
        return await write(idempotencyKey);
      } catch (reason) {
        const error = TaskError.from(reason);
        if (error.code !== Code.Unavailable || tries === MOST_TRIES || options?.signal?.aborted) {
          throw error;
        }
        options?.onRetry?.(error);
        await sleep(backoff(tries, error.retryAfterMs), options?.signal);
      }
    }
  }

  /**
   * Adds the customers of a lead list, a CSV file or a workbook, to tasks: all of them, or none. Also from a browser. Without
   * `timeoutMs` it may take as long as the service allows. With `dryRun` nothing is added.
   */
  importTargets(request: ImportTargetOptions, file: Blob, options: CallOptions = {}): Promise<ImportReport> {
    return upload("importTaskTargets", this.#baseUrl, this.#signed, request, file, options);
  }

  /** Creates the tasks of a file, as `importTargets` adds customers: all of them, or none. Also from a browser. */
  importTasks(request: ImportTaskOptions, file: Blob, options: CallOptions = {}): Promise<ImportReport> {
    return upload("importOutboundTasks", this.#baseUrl, this.#signed, request, file, options);
  }

  /** Whether the key may write. Requests a bulk change of no task as a dry run, which never changes anything. */
  async canWrite(options?: CallOptions): Promise<boolean> {
    const nobody = { filter: { taskIds: ["-"] }, action: TaskAction.STOP, dryRun: true };
    try {
      await this.rpc.bulkChangeOutboundTasks(nobody, options);
      return true;
    } catch (reason) {
      const error = TaskError.from(reason);
      if (error.code === Code.PermissionDenied) {
        return false;
      }
      throw error;
    }
  }

  #action(action: TaskAction) {
    switch (action) {
      case TaskAction.START:
        return this.rpc.startOutboundTask;
      case TaskAction.PAUSE:
        return this.rpc.pauseOutboundTask;
      case TaskAction.RESUME:
        return this.rpc.resumeOutboundTask;
      case TaskAction.STOP:
        return this.rpc.stopOutboundTask;
      case TaskAction.COMPLETE:
        return this.rpc.completeOutboundTask;
      case TaskAction.FAIL:
        return this.rpc.failOutboundTask;
      default:
        throw new RangeError(`${action} is not an action`);
    }
  }
}

/** All pages from the first, each requested with the token of the previous one. */
async function* walk<P extends { nextPageToken: string }>(page: (pageToken: string) => Promise<P>): AsyncGenerator<P, void, undefined> {
  let pageToken = "";
  do {
    const next = await page(pageToken);
    yield next;
    pageToken = next.nextPageToken;
  } while (pageToken);
}

/** A unique key. Not crypto.randomUUID, which is missing on pages without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A client of a service, with every error converted to a TaskError. */
function withTaskErrors<S extends DescService>(service: S, transport: Transport): Client<S> {
  type Call = (request: never, options?: CallOptions) => Promise<unknown> | AsyncIterable<unknown>;
  const client = createClient(service, transport) as unknown as Record<string, Call>;
  const wrapped: Record<string, Call> = {};
  for (const { localName, methodKind } of service.methods) {
    const call = client[localName] as Call;
    wrapped[localName] = methodKind === "server_streaming"
      ? (request, options) => withStreamErrors(call(request, options) as AsyncIterable<unknown>)
      : (request, options) =>
        (call(request, options) as Promise<unknown>).catch((reason: unknown) => {
          throw TaskError.from(reason);
        });
  }
  return wrapped as unknown as Client<S>;
}

async function* withStreamErrors<T>(messages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  try {
    yield* messages;
  } catch (reason) {
    throw TaskError.from(reason);
  }
}
