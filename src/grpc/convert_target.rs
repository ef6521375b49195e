//! Converts messages about targets to domain types and back.

use super::convert::{instant, timestamp, whole};
use crate::{
    app::{Added, Removed, Reported, TargetListRequest, TargetPage},
    domain::{
        limits::DEFAULT_PARTS,
        target::{Target, TargetResult, TargetState},
    },
    error::{Reason, Violation, Violations},
    pb,
};

pub(super) fn list_request(
    message: pb::ListTaskTargetsRequest,
    faults: &mut Violations,
) -> TargetListRequest {
    let pb::ListTaskTargetsRequest {
        task_id,
        states,
        limit,
        page_token,
    } = message;
    let states = states.into_iter().enumerate();
    TargetListRequest {
        task_id,
        states: states
            .filter_map(|(place, number)| state(&format!("states[{place}]"), number, faults))
            .collect(),
        limit: match limit {
            0 => DEFAULT_PARTS,
            limit => limit.into(),
        },
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

/// The violations in a later message of a stream, whose task and key must be those of the first message.
pub(super) fn part_faults(message: &pb::AddTaskTargetsRequest, task_id: &str) -> Violations {
    let mut faults = Violations::new();
    if !message.task_id.is_empty() && message.task_id != task_id {
        faults.push(Violation::new("task_id", Reason::DiffersFromFirst));
    }
    if !message.idempotency_key.is_empty() {
        faults.push(Violation::new("idempotency_key", Reason::FirstMessageOnly));
    }
    faults
}

/// Converts results. Invalid ones are recorded in `faults`.
pub(super) fn results(
    messages: Vec<pb::TargetResult>,
    faults: &mut Violations,
) -> Vec<TargetResult> {
    let mut results = Vec::with_capacity(messages.len());
    for (place, message) in messages.into_iter().enumerate() {
        let pb::TargetResult {
            customer_id,
            state: number,
            attempt,
            time,
        } = message;
        let field = format!("results[{place}].time");
        if time.is_none() {
            faults.push(Violation::new(&field, Reason::Required));
        }
        let time = instant(&field, time, faults);
        let state = state(&format!("results[{place}].state"), number, faults);
        results.push(TargetResult {
            customer_id,
            // An invalid value is recorded above, so this placeholder is never used.
            state: state.unwrap_or(TargetState::Answered),
            attempt,
            time: time.unwrap_or_default(),
        });
    }
    results
}

fn state(field: &str, number: i32, faults: &mut Violations) -> Option<TargetState> {
    let state = TargetState::from_number(number);
    if state.is_none() {
        let why = Reason::UnknownNumber {
            of: ("TargetState", "TARGET_STATE_UNSPECIFIED"),
            actual: number,
        };
        faults.push(Violation::new(field, why));
    }
    state
}

pub(super) fn added(added: Added) -> pb::AddTaskTargetsResponse {
    pb::AddTaskTargetsResponse {
        added_count: added.count as i32, // a task's target_count holds them
        duplicate_count: i32::try_from(added.duplicates).unwrap_or(i32::MAX),
        task: Some(whole(added.task)),
    }
}

pub(super) fn removed(removed: Removed) -> pb::RemoveTaskTargetsResponse {
    pb::RemoveTaskTargetsResponse {
        removed_count: removed.count as i32, // at most 1000
        missing_customer_ids: removed.missing,
        task: Some(whole(removed.task)),
    }
}

pub(super) fn reported(reported: Reported) -> pb::ReportTargetResultsResponse {
    pb::ReportTargetResultsResponse {
        applied_count: reported.applied as i32, // at most 1000, as the next
        ignored_count: reported.ignored as i32,
        missing_customer_ids: reported.missing,
        task: Some(whole(reported.task)),
    }
}
