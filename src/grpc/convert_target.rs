//! Converts messages about targets to domain types and back.

use std::fmt;

use super::{
    convert::viewed,
    convert_value::{instant, non_empty, take_view, timestamp},
    convert_write::{Viewed, key},
};
use crate::{
    app::{Added, Removed, Reported, TargetListRequest, TargetPage, WriteRequest},
    domain::{
        get::View,
        target::{Target, TargetState},
        write::{RemoveTargets, ReportResults, ResultDraft, TargetPart},
    },
    error::{Reason, Violation, Violations},
    pb,
};

pub(super) fn list_request(
    message: pb::ListTaskTargetsRequest,
    violations: &mut Violations,
) -> TargetListRequest {
    // Messages are taken apart completely: a new field does not compile until it is handled.
    let pb::ListTaskTargetsRequest {
        task_id,
        states,
        limit,
        page_token,
        customer_id,
    } = message;
    TargetListRequest {
        task_id,
        states: read_states(states, violations),
        // proto3 cannot tell 0 from an absent number.
        limit: Some(limit.into()).filter(|n| *n != 0),
        customer_id: non_empty(customer_id),
        page_token,
    }
}

pub(super) fn list_response(page: TargetPage) -> pb::ListTaskTargetsResponse {
    let target = |target: Target| pb::TaskTarget {
        customer_id: target.customer_id,
        state: target.state as i32,
        attempt: target.attempt,
        time: target.time.map(timestamp),
    };
    pb::ListTaskTargetsResponse {
        total: page.total,
        targets: page.targets.into_iter().map(target).collect(),
        next_page_token: page.next_page_token,
        as_of: Some(timestamp(page.as_of)),
    }
}

/// The first part of an upload, and which parts of the task to return.
pub(super) fn first_part(
    mut message: pb::AddTaskTargetsRequest,
    violations: &mut Violations,
) -> (TargetPart, View) {
    let view = take_view(
        &mut message.target_limit,
        &mut message.read_mask,
        violations,
    );
    (part(message), view)
}

pub(super) fn part(message: pb::AddTaskTargetsRequest) -> TargetPart {
    let pb::AddTaskTargetsRequest {
        task_id,
        customer_ids,
        idempotency_key,
        target_limit,
        read_mask,
    } = message;
    let of_first = [
        ("target_limit", target_limit.is_some()),
        ("read_mask", read_mask.is_some()),
    ];
    let of_first = of_first
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name));
    TargetPart {
        task_id,
        idempotency_key,
        customer_ids,
        of_first: of_first.collect(),
    }
}

pub(super) fn remove(mut message: pb::RemoveTaskTargetsRequest) -> Viewed<RemoveTargets> {
    let mut violations = Violations::new();
    let view = take_view(
        &mut message.target_limit,
        &mut message.read_mask,
        &mut violations,
    );
    // The hash covers the rest of the message as it arrived, so it is made before the message is taken apart.
    let key = key("remove_targets", &message.idempotency_key, &message);
    let pb::RemoveTaskTargetsRequest {
        task_id,
        customer_ids,
        etag,
        idempotency_key: _,
        target_limit: _,
        read_mask: _,
    } = message;
    let request = WriteRequest {
        command: RemoveTargets {
            task_id,
            customer_ids,
            etag,
        },
        key,
        violations,
    };
    Viewed { request, view }
}

pub(super) fn report(mut message: pb::ReportTargetResultsRequest) -> Viewed<ReportResults> {
    let mut violations = Violations::new();
    let view = take_view(
        &mut message.target_limit,
        &mut message.read_mask,
        &mut violations,
    );
    let key = key("report_results", &message.idempotency_key, &message);
    let pb::ReportTargetResultsRequest {
        task_id,
        results,
        idempotency_key: _,
        target_limit: _,
        read_mask: _,
    } = message;
    let results = results.into_iter().enumerate();
    let results = results
        .map(|(index, message)| result(index, message, &mut violations))
        .collect();
    let request = WriteRequest {
        command: ReportResults { task_id, results },
        key,
        violations,
    };
    Viewed { request, view }
}

/// Reads one result. Its violations name it by its index in the message.
fn result(index: usize, message: pb::TargetResult, violations: &mut Violations) -> ResultDraft {
    let pb::TargetResult {
        customer_id,
        state: number,
        attempt,
        time,
    } = message;
    ResultDraft {
        customer_id,
        state: state(format_args!("results[{index}].state"), number, violations),
        attempt,
        time: instant(format_args!("results[{index}].time"), time, violations),
    }
}

/// Reads the field `states` of a request.
pub(super) fn read_states(states: Vec<i32>, violations: &mut Violations) -> Vec<TargetState> {
    let states = states.into_iter().enumerate();
    states
        .filter_map(|(index, number)| state(format_args!("states[{index}]"), number, violations))
        .collect()
}

/// Reads the number of a state. proto3 passes unknown numbers on, so they are checked here.
fn state(
    field: impl fmt::Display,
    number: i32,
    violations: &mut Violations,
) -> Option<TargetState> {
    let state = TargetState::from_number(number);
    if state.is_none() {
        let why = Reason::UnknownNumber {
            of: ("TargetState", "TARGET_STATE_UNSPECIFIED"),
            actual: number,
        };
        violations.push_with(|| Violation::new(field.to_string(), why));
    }
    state
}

pub(super) fn added(added: Added, view: View) -> pb::AddTaskTargetsResponse {
    pb::AddTaskTargetsResponse {
        added_count: added.count as i32, // a task's target_count holds them
        // A caller may repeat customers any number of times; the message has an i32.
        duplicate_count: i32::try_from(added.duplicates).unwrap_or(i32::MAX),
        task: Some(viewed(added.task, view)),
    }
}

pub(super) fn removed(removed: Removed, view: View) -> pb::RemoveTaskTargetsResponse {
    pb::RemoveTaskTargetsResponse {
        removed_count: removed.count as i32, // at most 1000
        missing_customer_ids: removed.missing,
        task: Some(viewed(removed.task, view)),
    }
}

pub(super) fn reported(reported: Reported, view: View) -> pb::ReportTargetResultsResponse {
    pb::ReportTargetResultsResponse {
        applied_count: reported.applied as i32, // at most 1000, as the next
        ignored_count: reported.ignored as i32,
        missing_customer_ids: reported.missing,
        task: Some(viewed(reported.task, view)),
    }
}
