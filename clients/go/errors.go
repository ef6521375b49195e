package outboundtasks

import (
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "outboundtasks/v1"
)

// Failure is what an error of the service says.
type Failure struct {
	Code    codes.Code
	Message string
	// Reason is a name of ErrorReason, as TASK_ENDED, or of the code; empty without an answer of the service.
	Reason string
	// Metadata holds the values that belong to the reason, as status and allowed_actions.
	Metadata map[string]string
	// Fields are all field violations, with INVALID_ARGUMENT.
	Fields []FieldViolation
	// RequestID is the id of the request in the service's log.
	RequestID string
	// RetryAfter is how long to wait before a retry; zero if the service does not say.
	RetryAfter time.Duration
}

// FieldViolation says what is wrong with a field: see errors.proto.
type FieldViolation struct {
	Field, Description, Reason string
	Parameters                 map[string]string
}

// Explain reads the details of an error; nil for none.
func Explain(err error) *Failure {
	if err == nil {
		return nil
	}
	found := status.Convert(err)
	failure := &Failure{Code: found.Code(), Message: found.Message()}
	var own []*v1.FieldViolation
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failure.Reason, failure.Metadata = detail.Reason, detail.Metadata
		case *errdetails.BadRequest:
			for _, bad := range detail.FieldViolations {
				violation := FieldViolation{Field: bad.Field, Description: bad.Description}
				failure.Fields = append(failure.Fields, violation)
			}
		case *v1.FieldViolations:
			// In the same order as those of BadRequest.
			own = detail.Violations
		case *errdetails.RequestInfo:
			failure.RequestID = detail.RequestId
		case *errdetails.RetryInfo:
			failure.RetryAfter = detail.RetryDelay.AsDuration()
		}
	}
	for n := range failure.Fields {
		if n < len(own) {
			failure.Fields[n].Reason = strings.TrimPrefix(own[n].Reason.String(), "VIOLATION_REASON_")
			failure.Fields[n].Parameters = own[n].Parameters
		}
	}
	return failure
}
