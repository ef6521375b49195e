//! The messages about events as domain types, and back.

use super::convert_value::{known, own_reason, timestamp};
use crate::{
    app::{EventListRequest, EventPage},
    domain::event::{Change, TaskEvent},
    error::Violations,
    pb,
};

pub(super) fn list_request(
    message: pb::ListTaskEventsRequest,
    violations: &mut Violations,
) -> EventListRequest {
    let pb::ListTaskEventsRequest {
        task_id,
        limit,
        page_token,
        order,
    } = message;
    EventListRequest {
        task_id,
        direction: known("order", order, |d| d as i32, violations),
        // proto3 cannot tell 0 from an absent number.
        limit: Some(limit.into()).filter(|n| *n != 0),
        page_token,
    }
}

pub(super) fn event_page(page: EventPage) -> pb::ListTaskEventsResponse {
    pb::ListTaskEventsResponse {
        events: page.events.into_iter().map(event).collect(),
        next_page_token: page.next_page_token,
    }
}

fn event(event: TaskEvent) -> pb::TaskEvent {
    let change = |change| {
        let Change {
            field,
            before,
            after,
        } = change;
        pb::FieldChange {
            field,
            old_is_set: before.is_some(),
            new_is_set: after.is_some(),
            old_value: before.unwrap_or_default(),
            new_value: after.unwrap_or_default(),
        }
    };
    // A person may have used the same words. An event with a key is never the service's own.
    let reason_code = match event.key_id.is_empty() {
        true => own_reason(&event.reason),
        false => 0,
    };
    pb::TaskEvent {
        event_id: event.event_id,
        at: Some(timestamp(event.at)),
        key_id: event.key_id,
        key_name: event.key_name,
        kind: event.kind as i32,
        reason_code,
        reason: event.reason,
        changes: event.changes.into_iter().map(change).collect(),
        customer_ids: event.customer_ids,
    }
}
