// The Connect protocol, called by Connect's own client, with JSON and with protobuf.

import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { OutboundTaskService, TaskError } from "@outbound-tasks/client";
import { expect, test } from "../support/test";

for (const useBinaryFormat of [false, true]) {
  test(`Connect's client lists, creates and reads errors, ${useBinaryFormat ? "binary" : "JSON"}`, async ({ service }) => {
    const withKey: Interceptor = (next) => (request) => {
      request.header.set("x-api-key", service.key);
      return next(request);
    };
    const transport = createConnectTransport({ baseUrl: service.url, useBinaryFormat, interceptors: [withKey] });
    const client = createClient(OutboundTaskService, transport);
    const page = await client.listOutboundTasks({ limit: 3 }, { timeoutMs: 10_000 });
    expect(page.tasks.length).toBe(3);
    expect(page.total).toBeGreaterThan(3);
    expect(page.asOf?.seconds).toBeGreaterThan(0n);

    const at = { seconds: 1_800_000_000n, nanos: 0 };
    const task = { taskId: `connect-${useBinaryFormat}`, name: "任务", target: ["c-1"], startTime: at, endTime: at };
    const created = await client.createOutboundTask({ task, idempotencyKey: task.taskId });
    expect(created.task?.name).toBe("任务");
    let replayed: string | null = null;
    await client.createOutboundTask({ task, idempotencyKey: task.taskId }, { onHeader: (headers) => (replayed = headers.get("idempotent-replayed")) });
    expect(replayed).toBe("true");

    const refused = await client.listOutboundTasks({ limit: 5000 }).catch((error) => ConnectError.from(error));
    expect(refused).toBeInstanceOf(ConnectError);
    if (refused instanceof ConnectError) {
      expect(refused.code).toBe(Code.InvalidArgument);
      // The details of the error are those of gRPC-Web, so the same code reads them.
      expect(TaskError.from(refused).fields.map(({ field }) => field)).toEqual(["limit"]);
    }
    await client.deleteOutboundTask({ taskId: task.taskId });
  });
}
