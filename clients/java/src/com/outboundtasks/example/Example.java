package com.outboundtasks.example;

import com.google.protobuf.util.Timestamps;
import com.outboundtasks.v1.*;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.concurrent.atomic.AtomicInteger;

/** Lists all running tasks, creates and changes a task, and watches it. */
public final class Example {
    public static void main(String[] arguments) throws Exception {
        var environment = System.getenv();
        try (Client client = new Client(
                environment.get("OUTBOUND_TASKS_URL"),
                environment.get("OUTBOUND_TASKS_API_KEY"),
                environment.get("OUTBOUND_TASKS_CA_FILE"))) {
            // List: every running task, over all pages.
            var running = ListOutboundTasksRequest.newBuilder().addStatus(TaskStatus.TASK_STATUS_RUNNING).setLimit(200);
            var count = new AtomicInteger();
            client.tasks(running.build(), task -> count.incrementAndGet());
            System.out.println(count + " tasks are running");

            // Write: the key makes a retry safe.
            var create = CreateOutboundTaskRequest.newBuilder()
                    .setTask(NewOutboundTask.newBuilder()
                            .setName("June renewal")
                            .addTarget("cust-1")
                            .addTarget("cust-2")
                            .setStartTime(Timestamps.parse("2030-06-01T09:00:00Z"))
                            .setEndTime(Timestamps.parse("2030-06-01T18:00:00Z")))
                    .setIdempotencyKey(Client.newKey())
                    .build();
            String taskId = client.retry(() -> client.rpc.createOutboundTask(create)).getTask().getTaskId();
            client.act(taskId, TaskAction.TASK_ACTION_START, "");
            try {
                client.act(taskId, TaskAction.TASK_ACTION_RESUME, "");
            } catch (StatusRuntimeException error) {
                if (error.getStatus().getCode() != Status.Code.FAILED_PRECONDITION) {
                    throw error;
                }
                Failure failure = Failure.of(error);
                System.out.println(failure.reason() + " " + failure.metadata().get("allowed_actions"));
            }

            // Watch: the initial tasks, then each change, until the caller has seen enough.
            var filter = TaskFilter.newBuilder().addTaskIds(taskId);
            client.watch(WatchOutboundTasksRequest.newBuilder().setFilter(filter).build(), update -> {
                update.changes().forEach(change -> System.out.println("the task is " + change.getTask().getStatus()));
                return !update.isLive();
            });
        }
    }
}
