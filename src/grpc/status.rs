//! An [`Error`] as a gRPC status: the only file of the service that names `tonic::Code`.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    error::{Error, ErrorKind},
    request,
};

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        error.log();
        let mut details = ErrorDetails::with_error_info(
            error.kind().name(),
            "outboundtasks.v1",
            error
                .facts()
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect::<std::collections::HashMap<_, _>>(),
        );
        if !error.violations().is_empty() {
            let violations = error.violations().iter();
            details.set_bad_request(
                violations
                    .map(|v| FieldViolation::new(&v.field, &v.description))
                    .collect::<Vec<_>>(),
            );
        }
        if let Some(after) = error.retry_after() {
            details.set_retry_info(Some(after));
        }
        if let Some(task_id) = error.task_id() {
            let kind = "outboundtasks.v1.OutboundTask";
            details.set_resource_info(kind, task_id, "", error.message());
        }
        let request_id = request::current_id();
        if !request_id.is_empty() {
            details.set_request_info(&*request_id, "");
        }
        Status::with_error_details(code(error.kind()), error.message(), details)
    }
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::Aborted => Code::Aborted,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Internal | ErrorKind::BadUsage => Code::Internal,
    }
}
