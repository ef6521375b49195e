// The driver of the TypeScript client, for the conformance tests in clients/conformance, which have its protocol.

import { createInterface } from "node:readline";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { Code, OutboundTasks, OutboundTaskService, TaskAction, TaskError } from "../dist/index.js";

const baseUrl = process.env.OUTBOUND_TASKS_URL;
const connect = (apiKey) => new OutboundTasks({ baseUrl, apiKey });
const client = connect(process.env.OUTBOUND_TASKS_API_KEY);
const input = createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

/** `InvalidArgument` as gRPC writes it: INVALID_ARGUMENT. */
const codeName = (code) => Code[code].replace(/(?<!^)[A-Z]/g, "_$&").toUpperCase();

function errorOf(error) {
  return {
    code: codeName(error.code),
    message: error.message,
    reason: error.reason,
    fields: error.fields.map(({ field, reason, parameters }) => ({ field, reason, parameters })),
    metadata: error.metadata,
    has_request_id: error.requestId !== "",
    retry_after: error.retryAfterMs === undefined ? null : error.retryAfterMs / 1000,
  };
}

async function list({ name, limit }) {
  const ids = [];
  for await (const task of client.tasks({ name, limit })) {
    ids.push(task.taskId);
  }
  return { ids };
}

async function call({ rpc, request, first, timeout, api_key }) {
  const method = OutboundTaskService.methods.find(({ name }) => name === rpc);
  const { rpc: rpcs } = api_key ? connect(api_key) : client;
  let replayed = false;
  const read = (headers) => {
    replayed ||= headers.get("idempotent-replayed") === "true";
  };
  const options = { onHeader: read, onTrailer: read, timeoutMs: timeout && timeout * 1000 };
  const answer = rpcs[method.localName](fromJson(method.input, request), options);
  if (method.methodKind === "unary") {
    return { answer: toJson(method.output, await answer), replayed };
  }
  const answers = [];
  for await (const message of answer) {
    answers.push(toJson(method.output, message));
    if (first) break;
  }
  return { answer: answers, replayed };
}

async function watch({ name }) {
  input.on("close", () => process.exit(0));
  for await (const { changes, anew, asOf } of client.watch({ filter: { name } })) {
    say({ changes: changes.map(({ taskId, task }) => [taskId, task?.etag ?? null]), anew, live: asOf !== undefined });
  }
}

const commands = {
  list,
  call,
  watch,
  act: async ({ task_id, action, reason }) => ({ etag: (await client.act(task_id, TaskAction[action], reason)).etag }),
};

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const command = JSON.parse(line.value);
  try {
    say(await commands[command.do](command));
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    say({ error: errorOf(error) });
  }
}
