//! The messages of writes and events as domain types, and back.

use http::HeaderValue;
use prost::Message;
use prost_types::FieldMask;
use tonic::Response;

use super::convert::{instant, known, own_reason, task_filter, timestamp, whole};
use crate::{
    app::{BulkOutcome, Created, EventPage, Written},
    domain::{
        action::TaskAction,
        event::{Change, TaskEvent},
        filter::Direction,
        idempotency::Idempotency,
        write::{BulkAction, TaskDraft, TaskUpdate, valid},
    },
    error::{Reason, Result, Violation, Violations},
    pb,
};

/// Tells a caller that its call was done before, and this is what came of it.
const REPLAYED: &str = "idempotent-replayed";

/// What the caller calls its write.
pub(super) fn idempotency(
    key: &str,
    call: &str,
    message: &impl Message,
    faults: &mut Violations,
) -> Option<Idempotency> {
    if key.is_empty() {
        return None;
    }
    Idempotency::new(key.to_owned(), call, &message.encode_to_vec(), faults)
}

/// The answer of a write.
pub(super) fn written<T, M>(written: Written<T>, message: impl FnOnce(T) -> M) -> Response<M> {
    let mut response = Response::new(message(written.outcome));
    if written.is_replay {
        let is_replay = HeaderValue::from_static("true");
        let metadata = response.metadata_mut().as_mut();
        metadata.insert(REPLAYED, is_replay);
    }
    response
}

pub(super) fn draft(message: pb::NewOutboundTask, at: &str, faults: &mut Violations) -> TaskDraft {
    let pb::NewOutboundTask {
        task_id,
        name,
        target,
        start_time,
        end_time,
    } = message;
    TaskDraft {
        task_id,
        name,
        targets: target,
        start_time: instant(&format!("{at}start_time"), start_time, faults),
        end_time: instant(&format!("{at}end_time"), end_time, faults),
    }
}

pub(super) fn create_response(created: Created) -> pb::CreateOutboundTaskResponse {
    let Created { tasks, repeated } = created;
    pb::CreateOutboundTaskResponse {
        task: tasks.into_iter().next().map(whole),
        duplicate_count: count(repeated),
    }
}

pub(super) fn batch_create_response(created: Created) -> pb::BatchCreateOutboundTasksResponse {
    let Created { tasks, repeated } = created;
    pb::BatchCreateOutboundTasksResponse {
        tasks: tasks.into_iter().map(whole).collect(),
        duplicate_count: count(repeated),
    }
}

/// What an update changes, by its mask.
pub(super) fn update(
    message: pb::UpdateOutboundTaskRequest,
    faults: &mut Violations,
) -> TaskUpdate {
    let pb::UpdateOutboundTaskRequest {
        task,
        update_mask,
        idempotency_key: _,
    } = message;
    let pb::OutboundTask {
        task_id,
        name,
        start_time,
        end_time,
        etag,
        ..
    } = task.unwrap_or_default();
    let paths = match update_mask {
        Some(FieldMask { paths }) if !paths.is_empty() => paths,
        _ => {
            let given = [
                ("name", !name.is_empty()),
                ("start_time", start_time.is_some()),
                ("end_time", end_time.is_some()),
            ];
            let given = given.into_iter().filter(|(_, is_given)| *is_given);
            given.map(|(path, _)| path.to_owned()).collect()
        }
    };
    let mut update = TaskUpdate {
        task_id,
        etag,
        ..TaskUpdate::default()
    };
    for (place, path) in paths.iter().enumerate() {
        let is_all = path == "*";
        let is = |field| is_all || path == field;
        if is("name") {
            update.name = Some(name.clone());
        }
        for (field, value, change) in [
            ("start_time", &start_time, &mut update.start_time),
            ("end_time", &end_time, &mut update.end_time),
        ] {
            if !is(field) {
                continue;
            }
            let name = format!("task.{field}");
            match value {
                None => faults.push(Violation::new(name, Reason::Required)),
                Some(value) => *change = instant(&name, Some(*value), faults),
            }
        }
        if !(is("name") || is("start_time") || is("end_time")) {
            let field = format!("update_mask.paths[{place}]");
            faults.push(Violation::new(field, Reason::FixedField));
        }
    }
    update
}

pub(super) fn bulk(
    message: pb::BulkChangeOutboundTasksRequest,
    mut faults: Violations,
) -> Result<BulkAction> {
    let pb::BulkChangeOutboundTasksRequest {
        filter,
        action,
        reason,
        dry_run,
        expected_count,
        idempotency_key: _,
    } = message;
    let filter = task_filter(filter, &mut faults);
    let known_action = TaskAction::from_number(action);
    if known_action.is_none() {
        let why = Reason::UnknownNumber {
            of: ("TaskAction", "TASK_ACTION_UNSPECIFIED"),
            actual: action,
        };
        faults.push(Violation::new("action", why));
    }
    let bulk = BulkAction {
        filter,
        // Where it is none there is a fault, and the call goes nowhere.
        action: known_action.unwrap_or(TaskAction::Start),
        reason,
        dry_run,
        expected_count,
    };
    bulk.check(&mut faults);
    valid(faults)?;
    Ok(bulk)
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

pub(super) fn event_page(page: EventPage) -> pb::ListTaskEventsResponse {
    pb::ListTaskEventsResponse {
        events: page.events.into_iter().map(event).collect(),
        next_page_token: page.next_page_token,
    }
}

fn event(event: TaskEvent) -> pb::TaskEvent {
    let change = |Change(field, old_value, new_value)| pb::FieldChange {
        field,
        old_value,
        new_value,
    };
    // A person may have used the same words; what a key did, the service did not.
    let reason_code = match event.key_id.is_empty() {
        true => own_reason(&event.reason),
        false => 0,
    };
    pb::TaskEvent {
        event_id: event.event_id,
        at: Some(timestamp(event.at)),
        key_id: event.key_id,
        kind: event.kind as i32,
        reason_code,
        reason: event.reason,
        changes: event.changes.into_iter().map(change).collect(),
    }
}

/// The direction of a list of events.
pub(super) fn direction(order: i32, faults: &mut Violations) -> Direction {
    known("order", order, Direction::ALL, |d| d as i32, faults)
}

/// A count of what fitted into one message.
fn count(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}
