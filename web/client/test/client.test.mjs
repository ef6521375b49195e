// The client, against a service that the test implements in the same process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ConnectError, createRouterTransport } from "@connectrpc/connect";
import { FieldViolationsSchema } from "../dist/gen/outboundtasks/v1/errors_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "../dist/gen/google/rpc/error_details_pb.js";
import { Code, OutboundTasks, OutboundTaskService, TaskAction, TaskChangeKind, TaskError } from "../dist/index.js";

/** A client of a service with these methods. */
function clientOf(methods) {
  return new OutboundTasks({
    baseUrl: "http://played",
    apiKey: () => "otk_demo.1_secret",
    transport: (interceptors) =>
      createRouterTransport(({ service }) => service(OutboundTaskService, methods), { transport: { interceptors } }),
  });
}

async function all(iterable) {
  const items = [];
  for await (const item of iterable) {
    items.push(item);
  }
  return items;
}

const unavailable = (seconds) =>
  new ConnectError("away", Code.Unavailable, undefined, [
    { desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay: { seconds: 0n, nanos: seconds * 1e9 } }) },
  ]);

test("the key travels in a header of every call", async () => {
  let key;
  const client = clientOf({
    listOutboundTasks: (_, context) => {
      key = context.requestHeader.get("x-api-key");
      return { total: 7 };
    },
  });
  assert.equal((await client.list({})).total, 7);
  assert.equal(key, "otk_demo.1_secret");
});

test("all pages are read, each by the token of the one before and with its filter", async () => {
  const asked = [];
  const client = clientOf({
    listOutboundTasks: ({ page, pageToken, name }) => {
      asked.push([page, pageToken, name]);
      const at = Number(pageToken || 0);
      return { tasks: [{ taskId: `t${at}` }], nextPageToken: at < 2 ? String(at + 1) : "" };
    },
  });
  const tasks = await all(client.tasks({ name: "x", page: 1 }));
  assert.deepEqual(tasks.map((task) => task.taskId), ["t0", "t1", "t2"]);
  assert.deepEqual(asked, [[1, "", "x"], [0, "1", "x"], [0, "2", "x"]]);
});

test("targets and events are read to their ends", async () => {
  const next = (token) => (token === "" ? "b" : "");
  const client = clientOf({
    listTaskTargets: ({ pageToken }) => ({ targets: [{ customerId: `c${pageToken}` }], nextPageToken: next(pageToken) }),
    listTaskEvents: ({ pageToken }) => ({ events: [{ reason: `r${pageToken}` }], nextPageToken: next(pageToken) }),
  });
  assert.deepEqual((await all(client.targets("t"))).map((target) => target.customerId), ["c", "cb"]);
  assert.deepEqual((await all(client.events("t"))).map((event) => event.reason), ["r", "rb"]);
});

test("an error names every violation, its cause and its request", async () => {
  const client = clientOf({
    listOutboundTasks: () => {
      throw new ConnectError("2 faults", Code.InvalidArgument, undefined, [
        {
          desc: BadRequestSchema,
          value: {
            fieldViolations: [
              { field: "limit", description: "too large", reason: "OUT_OF_RANGE" },
              { field: "page", description: "too small" },
            ],
          },
        },
        {
          desc: FieldViolationsSchema,
          value: { violations: [{ field: "limit", reason: 2, parameters: { max: "1000", actual: "5000" } }] },
        },
        { desc: ErrorInfoSchema, value: { reason: "INVALID_ARGUMENT", metadata: { status: "paused" } } },
        { desc: RequestInfoSchema, value: { requestId: "r-1" } },
      ]);
    },
  });
  const error = await client.list({ limit: 5000 }).then(() => undefined, (reason) => reason);
  assert.ok(error instanceof TaskError);
  assert.equal(error.code, Code.InvalidArgument);
  assert.equal(error.message, "2 faults");
  assert.deepEqual(error.fields, [
    { field: "limit", description: "too large", reason: "OUT_OF_RANGE", parameters: { max: "1000", actual: "5000" } },
    { field: "page", description: "too small", reason: "", parameters: {} },
  ]);
  assert.equal(error.reason, "INVALID_ARGUMENT");
  assert.deepEqual(error.metadata, { status: "paused" });
  assert.equal(error.requestId, "r-1");
});

test("a service that cannot be reached is unavailable", async () => {
  // Port 1 is reserved, and clients refuse to use it.
  const client = new OutboundTasks({ baseUrl: "http://127.0.0.1:1", apiKey: "k" });
  await assert.rejects(client.list({}), (error) => error instanceof TaskError && error.code === Code.Unavailable);
});

test("an action is sent again with the same idempotency key, and only where no answer came", async () => {
  const keys = [];
  const client = clientOf({
    pauseOutboundTask: ({ taskId, idempotencyKey }) => {
      keys.push(idempotencyKey);
      if (keys.length < 3) {
        throw unavailable(0);
      }
      return { task: { taskId, status: 3 } };
    },
    startOutboundTask: () => {
      keys.push("start");
      throw new ConnectError("not pending", Code.FailedPrecondition);
    },
  });
  assert.equal((await client.act("t", TaskAction.PAUSE)).status, 3);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
  await assert.rejects(client.act("t", TaskAction.START), (error) => error.code === Code.FailedPrecondition);
  assert.equal(keys.length, 4);
});

test("whether a key may write is found out without a write", async () => {
  let asked;
  const client = (answer) => clientOf({ bulkChangeOutboundTasks: (request) => ((asked = request), answer()) });
  assert.equal(await client(() => ({})).canWrite(), true);
  assert.equal(asked.dryRun, true);
  const refuse = (code) => () => {
    throw new ConnectError("no", code);
  };
  assert.equal(await client(refuse(Code.PermissionDenied)).canWrite(), false);
  await assert.rejects(client(refuse(Code.Unauthenticated)).canWrite(), (error) => error.code === Code.Unauthenticated);
});

test("a watch resumes after the last message that it received, whatever broke it", async () => {
  const tokens = [];
  const ends = [
    () => {
      throw unavailable(0.01);
    },
    () => undefined, // ended with OK
    () => {
      throw new ConnectError("connection cut");
    },
  ];
  const client = clientOf({
    watchOutboundTasks: async function* ({ resumeToken, filter }) {
      tokens.push(resumeToken);
      assert.equal(filter.name, "x");
      const n = tokens.length;
      yield { resumeToken: `after ${n}`, changes: [{ kind: TaskChangeKind.CHANGED, taskId: `t${n}` }] };
      ends[n - 1]?.();
      if (n > ends.length) {
        await new Promise(() => {});
      }
    },
  });
  const stop = new AbortController();
  const states = [];
  const heard = [];
  const options = { signal: stop.signal, onState: ({ kind }) => states.push(kind) };
  for await (const { changes, anew } of client.watch({ filter: { name: "x" } }, options)) {
    heard.push(changes[0].taskId);
    assert.equal(anew, false);
    if (heard.length === 4) {
      stop.abort();
    }
  }
  assert.deepEqual(heard, ["t1", "t2", "t3", "t4"]);
  assert.deepEqual(tokens, ["", "after 1", "after 2", "after 3"]);
  assert.deepEqual(states.slice(0, 4), ["connecting", "live", "waiting", "connecting"]);
});

test("a watch that lost changes starts over and reports it once", async () => {
  const tokens = [];
  const client = clientOf({
    watchOutboundTasks: async function* ({ resumeToken, skipInitial }) {
      tokens.push([resumeToken, skipInitial]);
      yield { resumeToken: "a" };
      if (tokens.length === 1) {
        yield { listAgain: true };
        return;
      }
      yield { resumeToken: "b" };
    },
  });
  const told = [];
  for await (const { anew, resumeToken } of client.watch({ skipInitial: true })) {
    told.push([anew, resumeToken]);
    if (told.length === 3) {
      break;
    }
  }
  assert.deepEqual(told, [[false, "a"], [true, "a"], [false, "b"]]);
  assert.deepEqual(tokens, [["", true], ["", true]]);
});

test("a watch that breaks during its initial tasks starts over", async () => {
  let calls = 0;
  const client = clientOf({
    watchOutboundTasks: async function* () {
      calls += 1;
      yield { changes: [{ kind: TaskChangeKind.INITIAL, taskId: "t" }] };
      throw unavailable(0);
    },
  });
  const told = [];
  for await (const { anew } of client.watch({})) {
    told.push(anew);
    if (told.length === 2) {
      break;
    }
  }
  assert.deepEqual(told, [false, true]);
  assert.equal(calls, 2);
});

test("a watch ends with an error that a retry cannot resolve", async () => {
  for (const code of [Code.Unauthenticated, Code.PermissionDenied, Code.InvalidArgument, Code.Unimplemented]) {
    let calls = 0;
    const client = clientOf({
      watchOutboundTasks: async function* () {
        calls += 1;
        yield { resumeToken: "a" };
        throw new ConnectError("no", code);
      },
    });
    await assert.rejects(all(client.watch({})), (error) => error instanceof TaskError && error.code === code);
    assert.equal(calls, 1);
  }
});

test("a silent watch counts as broken", async () => {
  const tokens = [];
  const client = clientOf({
    watchOutboundTasks: async function* ({ resumeToken }, { signal }) {
      tokens.push(resumeToken);
      yield { resumeToken: `after ${tokens.length}` };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  let heard = 0;
  for await (const _ of client.watch({}, { silenceMs: 50 })) {
    heard += 1;
    if (heard === 2) {
      break;
    }
  }
  assert.deepEqual(tokens, ["", "after 1"]);
});

test("retries back off, with jitter", async () => {
  const waits = [];
  const stop = new AbortController();
  const client = clientOf({
    watchOutboundTasks: async function* () {
      throw new ConnectError("away", Code.Unavailable);
    },
  });
  const onState = (state) => {
    if (state.kind === "waiting") {
      waits.push(state.retryInMs);
      if (waits.length === 3) {
        stop.abort();
      }
    }
  };
  assert.deepEqual(await all(client.watch({}, { signal: stop.signal, onState })), []);
  for (const [n, most] of [500, 1000, 2000].entries()) {
    assert.ok(waits[n] >= most / 2 && waits[n] <= most, `${waits}`);
  }
});
