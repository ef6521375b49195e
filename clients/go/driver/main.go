// The driver of the Go example, for the conformance tests in clients/conformance, which have its protocol.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"outboundtasks"
	v1 "outboundtasks/v1"
)

type object = map[string]interface{}

type command struct {
	Do, Name, RPC, Action, Reason string
	TaskID                        string `json:"task_id"`
	APIKey                        string `json:"api_key"`
	Limit                         int32
	First                         bool
	Timeout                       float64
	Request                       json.RawMessage
	Requests                      []json.RawMessage
}

var input = bufio.NewReader(os.Stdin)

func main() {
	client := connect(os.Getenv("OUTBOUND_TASKS_API_KEY"))
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var command command
		check(json.Unmarshal(line, &command))
		answer, err := serve(client, &command)
		if err != nil {
			answer = object{"error": explained(err)}
		}
		say(answer)
	}
}

func serve(client *outboundtasks.Client, command *command) (object, error) {
	ctx := context.Background()
	switch command.Do {
	case "list":
		ids := []string{}
		request := &v1.ListOutboundTasksRequest{Name: command.Name, Limit: command.Limit}
		err := client.Tasks(ctx, request, func(task *v1.OutboundTask) error { ids = append(ids, task.TaskId); return nil })
		return object{"ids": ids}, err
	case "act":
		action := v1.TaskAction(v1.TaskAction_value["TASK_ACTION_"+command.Action])
		task, err := client.Act(ctx, command.TaskID, action, command.Reason)
		return object{"etag": task.GetEtag()}, err
	case "call":
		if command.APIKey != "" {
			client = connect(command.APIKey)
			defer client.Conn.Close()
		}
		return call(ctx, client, command)
	case "watch":
		go func() {
			_, _ = io.Copy(io.Discard, input)
			os.Exit(0) // whoever drives this has ended
		}()
		filter := &v1.TaskFilter{Name: command.Name}
		err := client.Watch(ctx, &v1.WatchOutboundTasksRequest{Filter: filter}, func(update outboundtasks.Update) error {
			changes := [][]interface{}{}
			for _, change := range update.Changes {
				if change.Task != nil {
					changes = append(changes, []interface{}{change.TaskId, change.Task.Etag})
				} else {
					changes = append(changes, []interface{}{change.TaskId, nil})
				}
			}
			say(object{"changes": changes, "anew": update.Anew, "live": !update.AsOf.IsZero()})
			return nil
		})
		return nil, err
	}
	return nil, fmt.Errorf("unknown: %s", command.Do)
}

// call makes a call by the name of its rpc, once.
func call(ctx context.Context, client *outboundtasks.Client, command *command) (object, error) {
	if command.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(command.Timeout*float64(time.Second)))
		defer cancel()
	}
	service := v1.File_outboundtasks_v1_outbound_tasks_proto.Services().ByName("OutboundTaskService")
	method := service.Methods().ByName(protoreflect.Name(command.RPC))
	path := fmt.Sprintf("/%s/%s", service.FullName(), command.RPC)
	var header metadata.MD
	replayed := func() bool {
		values := header.Get("idempotent-replayed")
		return len(values) == 1 && values[0] == "true"
	}
	if !method.IsStreamingClient() && !method.IsStreamingServer() {
		answer := message(method.Output())
		err := client.Conn.Invoke(ctx, path, read(method.Input(), command.Request), answer, grpc.Header(&header))
		return object{"answer": written(answer), "replayed": replayed()}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	description := &grpc.StreamDesc{ServerStreams: method.IsStreamingServer(), ClientStreams: method.IsStreamingClient()}
	stream, err := client.Conn.NewStream(ctx, description, path)
	if err != nil {
		return nil, err
	}
	requests := command.Requests
	if requests == nil {
		requests = []json.RawMessage{command.Request}
	}
	for _, request := range requests {
		if string(request) == `"go"` {
			say(object{"ready": true})
			_, _ = input.ReadBytes('\n')
		} else if err := stream.SendMsg(read(method.Input(), request)); err == io.EOF {
			break // the stream has ended already; its error comes below
		} else if err != nil {
			return nil, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	if method.IsStreamingClient() {
		answer := message(method.Output())
		err := stream.RecvMsg(answer)
		header, _ = stream.Header()
		return object{"answer": written(answer), "replayed": replayed()}, err
	}
	answers := []json.RawMessage{}
	for {
		answer := message(method.Output())
		err := stream.RecvMsg(answer)
		if err != nil && err != io.EOF {
			return nil, err
		}
		if err == nil {
			answers = append(answers, written(answer))
		}
		if err == io.EOF || command.First {
			return object{"answer": answers, "replayed": false}, nil
		}
	}
}

func message(descriptor protoreflect.MessageDescriptor) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	check(err)
	return kind.New().Interface()
}

func read(descriptor protoreflect.MessageDescriptor, text json.RawMessage) proto.Message {
	request := message(descriptor)
	check(protojson.Unmarshal(text, request))
	return request
}

func written(answer proto.Message) json.RawMessage {
	text, err := protojson.Marshal(answer)
	check(err)
	return text
}

func explained(err error) object {
	failure := outboundtasks.Explain(err)
	fields := []object{}
	for _, bad := range failure.Fields {
		fields = append(fields, object{"field": bad.Field, "reason": bad.Reason, "parameters": orEmpty(bad.Parameters)})
	}
	var retryAfter interface{}
	if failure.RetryAfter > 0 {
		retryAfter = failure.RetryAfter.Seconds()
	}
	return object{
		"code":           codeName(failure.Code),
		"message":        failure.Message,
		"reason":         failure.Reason,
		"fields":         fields,
		"metadata":       orEmpty(failure.Metadata),
		"has_request_id": failure.RequestID != "",
		"retry_after":    retryAfter,
	}
}

func orEmpty(values map[string]string) map[string]string {
	if values == nil {
		return map[string]string{}
	}
	return values
}

// codeName is the name as gRPC writes it, as INVALID_ARGUMENT.
func codeName(code codes.Code) string {
	return [...]string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
		"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
		"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}[code]
}

func connect(key string) *outboundtasks.Client {
	client, err := outboundtasks.Connect(os.Getenv("OUTBOUND_TASKS_URL"), key, "")
	check(err)
	return client
}

func say(answer object) {
	text, err := json.Marshal(answer)
	check(err)
	fmt.Println(string(text))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
