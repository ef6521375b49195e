//! Converts messages of writes to commands, and outcomes to messages.

use http::HeaderValue;
use prost::Message;
use prost_types::Timestamp;
use tonic::Response;

use super::{
    convert::{draft, read_filter, viewed},
    convert_value::take_view,
};
use crate::{
    app::{BulkOutcome, Created, WriteRequest, Written},
    domain::{
        action::TaskAction,
        get::View,
        idempotency::IdempotencyKey,
        time,
        words::Word,
        write::{BulkChange, CreateTasks, DeleteTask, Transition, UpdateTask},
    },
    error::{Reason, Violation, Violations},
    pb,
};

/// The metadata that marks a response as a replay of an earlier call with the same idempotency key.
const REPLAYED: &str = "idempotent-replayed";

/// The idempotency key of a message, with the hash of the message that older services compare.
pub(super) fn key(call: &str, key: &str, message: &impl Message) -> IdempotencyKey {
    IdempotencyKey::with_request(key.to_owned(), call, || message.encode_to_vec())
}

/// A write, and which parts of its tasks to return.
pub(super) struct Viewed<C> {
    pub(super) request: WriteRequest<C>,
    pub(super) view: View,
}

/// The response of a write; metadata marks a replay.
pub(super) fn written<T, M>(written: Written<T>, message: impl FnOnce(T) -> M) -> Response<M> {
    let mut response = Response::new(message(written.outcome));
    if written.is_replay {
        let is_replay = HeaderValue::from_static("true");
        let metadata = response.metadata_mut().as_mut();
        metadata.insert(REPLAYED, is_replay);
    }
    response
}

pub(super) fn create(mut message: pb::CreateOutboundTaskRequest) -> Viewed<CreateTasks> {
    let mut violations = Violations::new();
    let view = take_view(
        &mut message.target_limit,
        &mut message.read_mask,
        &mut violations,
    );
    let key = key("create", &message.idempotency_key, &message);
    let pb::CreateOutboundTaskRequest {
        task,
        idempotency_key: _,
        target_limit: _,
        read_mask: _,
    } = message;
    let task = draft(task.unwrap_or_default(), "task.", &mut violations);
    let request = WriteRequest {
        command: CreateTasks::One(task),
        key,
        violations,
    };
    Viewed { request, view }
}

pub(super) fn batch_create(
    mut message: pb::BatchCreateOutboundTasksRequest,
) -> Viewed<CreateTasks> {
    let mut violations = Violations::new();
    let view = take_view(
        &mut message.target_limit,
        &mut message.read_mask,
        &mut violations,
    );
    let key = key("batch_create", &message.idempotency_key, &message);
    let pb::BatchCreateOutboundTasksRequest {
        tasks,
        idempotency_key: _,
        target_limit: _,
        read_mask: _,
    } = message;
    let tasks = tasks.into_iter().enumerate();
    let tasks = tasks
        .map(|(index, task)| draft(task, &format!("tasks[{index}]."), &mut violations))
        .collect();
    let request = WriteRequest {
        command: CreateTasks::Many(tasks),
        key,
        violations,
    };
    Viewed { request, view }
}

pub(super) fn create_response(created: Created, view: View) -> pb::CreateOutboundTaskResponse {
    let Created { tasks, repeated } = created;
    pb::CreateOutboundTaskResponse {
        task: tasks.into_iter().next().map(|task| viewed(task, view)),
        duplicate_count: count(repeated),
    }
}

pub(super) fn batch_create_response(
    created: Created,
    view: View,
) -> pb::BatchCreateOutboundTasksResponse {
    let Created { tasks, repeated } = created;
    pb::BatchCreateOutboundTasksResponse {
        tasks: tasks.into_iter().map(|task| viewed(task, view)).collect(),
        duplicate_count: count(repeated),
    }
}

pub(super) fn update(mut message: pb::UpdateOutboundTaskRequest) -> Viewed<UpdateTask> {
    let mut violations = Violations::new();
    let view = take_view(
        &mut message.target_limit,
        &mut message.read_mask,
        &mut violations,
    );
    let key = key("update", &message.idempotency_key, &message);
    let pb::UpdateOutboundTaskRequest {
        task,
        update_mask,
        idempotency_key: _,
        target_limit: _,
        read_mask: _,
    } = message;
    // The other fields of a task are changed by other calls. Clients may send them back unchanged.
    let pb::OutboundTask {
        task_id,
        name,
        start_time,
        end_time,
        etag,
        labels,
        ..
    } = task.unwrap_or_default();
    let parsed = |t: Timestamp| time::from_unix(t.seconds, t.nanos);
    let request = WriteRequest {
        command: UpdateTask {
            task_id,
            etag,
            name,
            start_time: start_time.map(parsed),
            end_time: end_time.map(parsed),
            labels: labels.into(),
            mask: update_mask.unwrap_or_default().paths,
        },
        key,
        violations,
    };
    Viewed { request, view }
}

pub(super) fn delete(message: pb::DeleteOutboundTaskRequest) -> WriteRequest<DeleteTask> {
    let key = key("delete", &message.idempotency_key, &message);
    let pb::DeleteOutboundTaskRequest {
        task_id,
        etag,
        idempotency_key: _,
    } = message;
    WriteRequest {
        command: DeleteTask { task_id, etag },
        key,
        violations: Violations::new(),
    }
}

/// The six messages that change a task's status. They have the same fields, but no common type.
macro_rules! transitions {
    ($($action:ident $message:ident,)*) => {
        $(impl From<pb::$message> for Viewed<Transition> {
            fn from(mut message: pb::$message) -> Self {
                let mut violations = Violations::new();
                let view = take_view(
                    &mut message.target_limit,
                    &mut message.read_mask,
                    &mut violations,
                );
                let action = TaskAction::$action;
                let key = key(action.word(), &message.idempotency_key, &message);
                let pb::$message {
                    task_id,
                    reason,
                    etag,
                    idempotency_key: _,
                    target_limit: _,
                    read_mask: _,
                } = message;
                let request = WriteRequest {
                    command: Transition {
                        task_id,
                        action,
                        reason,
                        etag,
                    },
                    key,
                    violations,
                };
                Self { request, view }
            }
        })*
    };
}

transitions! {
    Start StartOutboundTaskRequest,
    Pause PauseOutboundTaskRequest,
    Resume ResumeOutboundTaskRequest,
    Stop StopOutboundTaskRequest,
    Complete CompleteOutboundTaskRequest,
    Fail FailOutboundTaskRequest,
}

pub(super) fn bulk(message: pb::BulkChangeOutboundTasksRequest) -> WriteRequest<BulkChange> {
    let key = key("bulk_change", &message.idempotency_key, &message);
    let pb::BulkChangeOutboundTasksRequest {
        filter,
        action: number,
        reason,
        dry_run,
        expected_count,
        idempotency_key: _,
    } = message;
    let mut violations = Violations::new();
    let filter = read_filter(filter, &mut violations);
    let action = TaskAction::from_number(number);
    if action.is_none() {
        let why = Reason::UnknownNumber {
            of: ("TaskAction", "TASK_ACTION_UNSPECIFIED"),
            actual: number,
        };
        violations.push(Violation::new("action", why));
    }
    WriteRequest {
        command: BulkChange {
            filter,
            action,
            reason,
            dry_run,
            expected_count,
        },
        key,
        violations,
    }
}

pub(super) fn bulk_response(outcome: BulkOutcome) -> pb::BulkChangeOutboundTasksResponse {
    let BulkOutcome { task_ids, refused } = outcome;
    pb::BulkChangeOutboundTasksResponse {
        matched_count: count(task_ids.len() + refused.len()),
        changed_count: count(task_ids.len()),
        task_ids,
        refused: refused
            .into_iter()
            .map(|refused| pb::RefusedTask {
                task_id: refused.task_id,
                status: refused.status as i32,
            })
            .collect(),
    }
}

/// A count whose items were all in one message, so it fits an i32.
fn count(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}
