package outboundtasks

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	v1 "outboundtasks/v1"
)

// silence is how long a stream may send nothing before it counts as dead. Heartbeats come every 10 seconds.
const silence = 25 * time.Second

// Update is a message of a watch.
type Update struct {
	// Changes are to be applied in this order; none in a heartbeat.
	Changes []*v1.TaskChange
	// Anew says that the watch begins again because it could not be resumed: drop all earlier data.
	Anew bool
	// AsOf is the time up to which all changes have been reported; zero while more of them follow.
	AsOf time.Time
	// ResumeToken resumes the watch after this update, also in another process.
	ResumeToken string
}

// errLost ends a stream that has lost changes.
var errLost = status.Error(codes.Unavailable, "this watch has lost changes")

// Watch passes every update to visit until the context ends, visit returns an error, or a retry cannot help. An interrupted
// stream, or one that is silent for 25 seconds, is resumed after the last update.
func (c *Client) Watch(ctx context.Context, request *v1.WatchOutboundTasksRequest, visit func(Update) error) error {
	request = proto.Clone(request).(*v1.WatchOutboundTasksRequest)
	hasBegun := false // an update was received, so a start without a token is a new beginning
	for tries := 1; ; tries++ {
		anew := hasBegun && request.ResumeToken == ""
		var ended error // by visit
		err := c.stream(ctx, request, func(message *v1.WatchOutboundTasksResponse) error {
			if message.ListAgain {
				request.ResumeToken, hasBegun = "", true
				return errLost
			}
			tries = 0
			update := Update{
				Changes:     message.Changes,
				Anew:        anew || hasBegun && message.Fresh,
				ResumeToken: message.ResumeToken,
			}
			if message.AsOf != nil {
				update.AsOf = message.AsOf.AsTime()
			}
			request.ResumeToken, hasBegun, anew = message.ResumeToken, true, false
			ended = visit(update)
			return ended
		})
		if ended != nil {
			return ended
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failure := Explain(err)
		switch failure.Code {
		case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented:
			return err
		}
		if !pause(ctx, backoff(tries+1, failure.RetryAfter)) {
			return ctx.Err()
		}
	}
}

// stream passes the messages of one stream to receive. It always returns an error.
func (c *Client) stream(ctx context.Context, request *v1.WatchOutboundTasksRequest, receive func(*v1.WatchOutboundTasksResponse) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := c.RPC.WatchOutboundTasks(ctx, request)
	if err != nil {
		return err
	}
	for {
		// Only the wait for a message is limited, not the time of the receiver.
		timer := time.AfterFunc(silence, cancel)
		message, err := watch.Recv()
		timer.Stop()
		if err != nil {
			return err
		}
		if err := receive(message); err != nil {
			return err
		}
	}
}

// ErrStop ends a watch from inside of visit.
var ErrStop = errors.New("the caller ended the watch")
