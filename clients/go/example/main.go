// The example lists all tasks, creates and changes one, and watches until it has seen the change.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"outboundtasks"
	v1 "outboundtasks/v1"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	client, err := outboundtasks.Connect(
		os.Getenv("OUTBOUND_TASKS_URL"), os.Getenv("OUTBOUND_TASKS_API_KEY"), os.Getenv("OUTBOUND_TASKS_CA_FILE"))
	if err != nil {
		return err
	}
	defer client.Conn.Close()

	// List: every running task, over all pages.
	running := &v1.ListOutboundTasksRequest{Status: []v1.TaskStatus{v1.TaskStatus_TASK_STATUS_RUNNING}, Limit: 200}
	count := 0
	if err := client.Tasks(ctx, running, func(task *v1.OutboundTask) error { count++; return nil }); err != nil {
		return err
	}
	fmt.Println(count, "tasks are running")

	// Write: the key makes a retry safe.
	start := time.Date(2030, 6, 1, 9, 0, 0, 0, time.UTC)
	create := &v1.CreateOutboundTaskRequest{
		Task: &v1.NewOutboundTask{
			Name:      "June renewal",
			Target:    []string{"cust-1", "cust-2"},
			StartTime: timestamppb.New(start),
			EndTime:   timestamppb.New(start.Add(9 * time.Hour)),
		},
		IdempotencyKey: outboundtasks.NewKey(),
	}
	var created *v1.CreateOutboundTaskResponse
	err = client.Retry(ctx, func(ctx context.Context) (err error) {
		created, err = client.RPC.CreateOutboundTask(ctx, create)
		return err
	})
	if err != nil {
		return err
	}
	taskID := created.Task.TaskId
	if _, err := client.Act(ctx, taskID, v1.TaskAction_TASK_ACTION_START, ""); err != nil {
		return err
	}
	_, err = client.Act(ctx, taskID, v1.TaskAction_TASK_ACTION_RESUME, "")
	failure := outboundtasks.Explain(err)
	if failure == nil || failure.Code != codes.FailedPrecondition {
		return fmt.Errorf("a running task was resumed: %w", err)
	}
	fmt.Println(failure.Reason, failure.Metadata["allowed_actions"])

	// Watch: the initial tasks, then each change, until the caller has seen enough.
	filter := &v1.TaskFilter{TaskIds: []string{taskID}}
	err = client.Watch(ctx, &v1.WatchOutboundTasksRequest{Filter: filter}, func(update outboundtasks.Update) error {
		for _, change := range update.Changes {
			fmt.Println("the task is", change.Task.GetStatus())
		}
		if update.AsOf.IsZero() {
			return nil
		}
		return outboundtasks.ErrStop
	})
	if !errors.Is(err, outboundtasks.ErrStop) {
		return err
	}
	return nil
}
