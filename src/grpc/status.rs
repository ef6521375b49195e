//! Converts an [`Error`] to a gRPC status. No other file of the service uses `tonic::Code`.
//!
//! The details are the standard messages of `google.rpc`. `BadRequest` has a field for the name of a violation's reason
//! but none for parameters; these follow in `FieldViolations`, a message of this API.

use std::collections::HashMap;

use http::HeaderMap;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    error::{Error, ErrorKind, Reason, Violation, within_a_head},
    pb, request,
};

/// The type URL of this API's own detail message in `google.protobuf.Any`.
const FIELD_VIOLATIONS: &str = "type.googleapis.com/outboundtasks.v1.FieldViolations";

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        error.log();
        let mut details = ErrorDetails::with_error_info(
            error.reason(),
            "outboundtasks.v1",
            error
                .facts()
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect::<HashMap<_, _>>(),
        );
        if !error.violations().is_empty() {
            let violations = error.violations().iter();
            details.set_bad_request(
                violations
                    .map(|v| FieldViolation {
                        reason: v.reason.code().name().to_owned(),
                        ..FieldViolation::new(&v.field, &v.description)
                    })
                    .collect::<Vec<_>>(),
            );
        }
        if let Some(after) = error.retry_after() {
            details.set_retry_info(Some(after));
        }
        // ResourceInfo is the standard detail for the resource that an error is about.
        if let Some(task_id) = error.task_id() {
            let kind = "outboundtasks.v1.OutboundTask";
            details.set_resource_info(kind, task_id, "", error.message());
        }
        // The ids lead from an error that a caller reports to its line in the log and to its trace.
        let request_id = request::current_id();
        if !request_id.is_empty() {
            let trace_id = request::current_trace().unwrap_or_default();
            details.set_request_info(&*request_id, trace_id);
        }
        let message = within_a_head(error.message());
        let status = Status::with_error_details(code(error.kind()), message, details);
        match error.violations() {
            [] => status,
            violations => with_parameters(status, violations),
        }
    }
}

/// Adds one more detail: the parameters of the violations, in the order of `BadRequest`.
fn with_parameters(status: Status, violations: &[Violation]) -> Status {
    let Ok(mut whole) = tonic_types::Status::decode(status.details()) else {
        return status; // cannot happen: the details were encoded above
    };
    let violations = violations.iter().map(|violation| pb::FieldViolation {
        field: violation.field.clone(),
        reason: violation.reason.code() as i32,
        parameters: parameters(&violation.reason),
    });
    let detail = pb::FieldViolations {
        violations: violations.collect(),
    };
    whole.details.push(Any {
        type_url: FIELD_VIOLATIONS.to_owned(),
        value: detail.encode_to_vec(),
    });
    Status::with_details(
        status.code(),
        status.message(),
        whole.encode_to_vec().into(),
    )
}

/// The parameters of a reason, as messages have them.
pub(super) fn parameters(reason: &Reason) -> HashMap<String, String> {
    let parameters = reason.parameters().into_iter();
    parameters
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The trailers that end a stream with an error.
pub fn trailers(error: Error) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    // Details that are not valid header values are left out; the code always is valid.
    let _ = Status::from(error).add_header(&mut trailers);
    Some(trailers)
}

fn code(kind: ErrorKind) -> Code {
    Code::from_i32(request::code_of(kind) as i32)
}
