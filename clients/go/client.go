// Package outboundtasks has the parts of a client that take more than one call of the generated code: a list over all its
// pages, writes that are sent again, a watch that resumes, and errors with their details. Copy what you need.
package outboundtasks

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	mathrand "math/rand"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	v1 "outboundtasks/v1"
)

const (
	// firstPause and longestPause are the bounds of the pauses between tries, which double.
	firstPause   = 500 * time.Millisecond
	longestPause = 15 * time.Second
	// mostTries is how often a call is sent at most while the service is unavailable.
	mostTries = 4
	// timeout is that of a unary call without a deadline.
	timeout = 15 * time.Second
	// mostBytes is more than the 8 MiB that a page of a list may have; gRPC's default is 4 MiB.
	mostBytes = 16 << 20
)

// Client calls the service with one key. RPC has every rpc of the contract.
type Client struct {
	RPC  v1.OutboundTaskServiceClient
	Conn *grpc.ClientConn
}

// Connect returns a client of the service at an address such as http://127.0.0.1:8080 or https://tasks.example.com. caFile
// names the authorities of its certificate, in PEM form; empty means those of the system.
func Connect(address, apiKey, caFile string) (*Client, error) {
	parts, err := url.Parse(address)
	if err != nil || parts.Hostname() == "" || parts.Scheme != "http" && parts.Scheme != "https" {
		return nil, errors.New("the address must be a scheme and a host, such as http://127.0.0.1:8080")
	}
	port := parts.Port()
	options := []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostBytes)),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, answer interface{},
			conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			if _, has := ctx.Deadline(); !has {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			return invoke(withKey(ctx, apiKey), method, request, answer, conn, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, description *grpc.StreamDesc, conn *grpc.ClientConn,
			method string, stream grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return stream(withKey(ctx, apiKey), description, conn, method, options...)
		}),
	}
	if parts.Scheme == "http" {
		options = append(options, grpc.WithInsecure())
		if port == "" {
			port = "80"
		}
	} else {
		authorities := credentials.NewTLS(nil)
		if caFile != "" {
			if authorities, err = credentials.NewClientTLSFromFile(caFile, ""); err != nil {
				return nil, err
			}
		}
		options = append(options, grpc.WithTransportCredentials(authorities))
		if port == "" {
			port = "443"
		}
	}
	conn, err := grpc.Dial(parts.Hostname()+":"+port, options...)
	if err != nil {
		return nil, err
	}
	return &Client{RPC: v1.NewOutboundTaskServiceClient(conn), Conn: conn}, nil
}

func withKey(ctx context.Context, apiKey string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "x-api-key", apiKey)
}

// Tasks passes every task of a list to visit, over all pages. It pages by token, so no task is skipped or repeated.
func (c *Client) Tasks(ctx context.Context, request *v1.ListOutboundTasksRequest, visit func(*v1.OutboundTask) error) error {
	page := proto.Clone(request).(*v1.ListOutboundTasksRequest)
	for {
		var answer *v1.ListOutboundTasksResponse
		err := c.Retry(ctx, func(ctx context.Context) (err error) {
			answer, err = c.RPC.ListOutboundTasks(ctx, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, task := range answer.Tasks {
			if err := visit(task); err != nil {
				return err
			}
		}
		if answer.NextPageToken == "" {
			return nil
		}
		page.Page, page.PageToken = 0, answer.NextPageToken
	}
}

// Act changes the status of a task, and returns the changed task.
func (c *Client) Act(ctx context.Context, taskID string, action v1.TaskAction, reason string) (*v1.OutboundTask, error) {
	var task *v1.OutboundTask
	key := NewKey() // the same one in every try, so that the action is done once
	err := c.Retry(ctx, func(ctx context.Context) error {
		var answer interface{ GetTask() *v1.OutboundTask }
		var err error
		switch action {
		case v1.TaskAction_TASK_ACTION_START:
			answer, err = c.RPC.StartOutboundTask(ctx, &v1.StartOutboundTaskRequest{TaskId: taskID, Reason: reason, IdempotencyKey: key})
		case v1.TaskAction_TASK_ACTION_PAUSE:
			answer, err = c.RPC.PauseOutboundTask(ctx, &v1.PauseOutboundTaskRequest{TaskId: taskID, Reason: reason, IdempotencyKey: key})
		case v1.TaskAction_TASK_ACTION_RESUME:
			answer, err = c.RPC.ResumeOutboundTask(ctx, &v1.ResumeOutboundTaskRequest{TaskId: taskID, Reason: reason, IdempotencyKey: key})
		case v1.TaskAction_TASK_ACTION_STOP:
			answer, err = c.RPC.StopOutboundTask(ctx, &v1.StopOutboundTaskRequest{TaskId: taskID, Reason: reason, IdempotencyKey: key})
		case v1.TaskAction_TASK_ACTION_COMPLETE:
			answer, err = c.RPC.CompleteOutboundTask(ctx, &v1.CompleteOutboundTaskRequest{TaskId: taskID, Reason: reason, IdempotencyKey: key})
		case v1.TaskAction_TASK_ACTION_FAIL:
			answer, err = c.RPC.FailOutboundTask(ctx, &v1.FailOutboundTaskRequest{TaskId: taskID, Reason: reason, IdempotencyKey: key})
		default:
			return errors.New(action.String() + " is not an action")
		}
		if err == nil {
			task = answer.GetTask()
		}
		return err
	})
	return task, err
}

// Retry makes a call up to four times while the service is unavailable. A write must have the same idempotency key in each.
func (c *Client) Retry(ctx context.Context, call func(context.Context) error) error {
	for tries := 1; ; tries++ {
		err := call(ctx)
		failure := Explain(err)
		if failure == nil || failure.Code != codes.Unavailable || tries == mostTries {
			return err
		}
		if !pause(ctx, backoff(tries, failure.RetryAfter)) {
			return err
		}
	}
}

// NewKey returns an idempotency key that nobody else has.
func NewKey() string {
	var bytes [16]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		panic(err) // the system has no randomness
	}
	return hex.EncodeToString(bytes[:])
}

// backoff doubles the pause with each try and chooses between half of it and all of it, so that many clients do not return
// to a restarted service at the same instant. It is never shorter than the service asks for.
func backoff(tries int, atLeast time.Duration) time.Duration {
	most := longestPause
	if tries < 6 {
		most = firstPause << (tries - 1)
	}
	wait := most/2 + time.Duration(mathrand.Int63n(int64(most/2)))
	if wait < atLeast {
		return atLeast
	}
	return wait
}

// pause waits; it returns false if the context ends first.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
