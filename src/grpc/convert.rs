//! Converts the contract's messages to domain types and back.

use chrono::{DateTime, Utc};
use prost_types::{FieldMask, Timestamp};

use crate::{
    app::{TaskBatch, TaskPage},
    domain::{
        export::{ExportRequest, ExportedTask},
        fields::{TaskField, TaskFields},
        filter::{DateField, Direction, FilterRequest, OrderBy, TaskFilter, TaskOrder},
        get::Shown,
        list::{CountMode, ListRequest},
        own_reason::OwnReason,
        status::TaskStatus,
        target::TargetCounts,
        task::Task,
        time,
    },
    error::{Reason, Violation, Violations},
    pb,
    redaction::excerpt,
};

/// Reads a list request. Adds a violation for every value that cannot be read.
pub(super) fn list_request(
    message: pb::ListOutboundTasksRequest,
    violations: &mut Violations,
) -> ListRequest {
    let pb::ListOutboundTasksRequest {
        page,
        limit,
        status,
        date_range,
        order_by,
        order,
        page_token,
        date_field,
        target_limit,
        status_counts,
        customer_id,
        name,
        task_ids,
        read_mask,
        count,
    } = message;
    let filter = pb::TaskFilter {
        status,
        date_range,
        date_field,
        customer_id,
        name,
        task_ids,
    };
    ListRequest {
        page: Some(page.into()).filter(|n| *n != 0),
        limit: Some(limit.into()).filter(|n| *n != 0),
        filter: filter_request("", filter, violations),
        order: task_order(order_by, order, violations),
        page_token,
        shown: read_shown(target_limit, read_mask, violations),
        count: known("count", count, CountMode::ALL, |c| c as i32, violations),
        status_counts,
    }
}

/// Reads an export request. Adds a violation for every value that cannot be read.
pub(super) fn export_request(
    message: pb::ExportOutboundTasksRequest,
    violations: &mut Violations,
) -> ExportRequest {
    let pb::ExportOutboundTasksRequest {
        filter,
        order_by,
        order,
        target_limit,
    } = message;
    ExportRequest {
        filter: task_filter(filter, violations),
        order: task_order(order_by, order, violations),
        target_limit: target_limit.map(i64::from),
    }
}

fn task_order(order_by: i32, order: i32, violations: &mut Violations) -> TaskOrder {
    TaskOrder {
        by: known("order_by", order_by, OrderBy::ALL, |o| o as i32, violations),
        direction: known("order", order, Direction::ALL, |d| d as i32, violations),
    }
}

/// Reads a filter. `at` is the prefix of its fields' names: "" or "filter.".
fn filter_request(at: &str, filter: pb::TaskFilter, violations: &mut Violations) -> FilterRequest {
    let pb::TaskFilter {
        status,
        date_range,
        date_field,
        customer_id,
        name,
        task_ids,
    } = filter;
    let mut statuses = Vec::with_capacity(status.len());
    for (index, number) in status.into_iter().enumerate() {
        match TaskStatus::from_number(number) {
            Some(status) => statuses.push(status),
            None => violations.push(Violation::new(
                format!("{at}status[{index}]"),
                Reason::UnknownNumber {
                    of: ("TaskStatus", "TASK_STATUS_UNSPECIFIED"),
                    actual: number,
                },
            )),
        }
    }
    let range = date_range.unwrap_or_default();
    FilterRequest {
        statuses: statuses.into_iter().collect(),
        date_field: known(
            &format!("{at}date_field"),
            date_field,
            DateField::ALL,
            |f| f as i32,
            violations,
        ),
        start: instant(&format!("{at}date_range.start"), range.start, violations),
        end: instant(&format!("{at}date_range.end"), range.end, violations),
        customer_id: non_empty(customer_id),
        name: non_empty(name),
        task_ids,
    }
}

/// Reads and checks a filter in a message of its own, the field `filter` of a request.
pub(super) fn task_filter(
    message: Option<pb::TaskFilter>,
    violations: &mut Violations,
) -> TaskFilter {
    filter_message(message, violations).check("filter.", violations)
}

/// Reads the same filter without a check.
pub(super) fn filter_message(
    message: Option<pb::TaskFilter>,
    violations: &mut Violations,
) -> FilterRequest {
    filter_request("filter.", message.unwrap_or_default(), violations)
}

/// Reads which fields of each task a request asks for.
pub(super) fn read_shown(
    target_limit: Option<i32>,
    read_mask: Option<FieldMask>,
    violations: &mut Violations,
) -> Shown {
    let mut fields = Vec::new();
    let paths = read_mask.unwrap_or_default().paths;
    for (index, path) in paths.iter().enumerate() {
        match TaskField::from_word(path) {
            Some(field) => fields.push(field),
            None => violations.push(Violation::new(
                format!("read_mask.paths[{index}]"),
                Reason::UnknownField {
                    actual: excerpt(path),
                },
            )),
        }
    }
    Shown {
        target_limit: target_limit.map(i64::from),
        fields: fields.into_iter().collect(),
    }
}

/// A text of a message, in which an absent text and an empty one mean the same.
fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|t| !t.is_empty())
}

/// The value with this number. 0 means the default.
pub(super) fn known<T: Copy + Default, const N: usize>(
    field: &str,
    number: i32,
    all: [T; N],
    number_of: fn(T) -> i32,
    violations: &mut Violations,
) -> T {
    if number == 0 {
        return T::default();
    }
    all.into_iter()
        .find(|v| number_of(*v) == number)
        .unwrap_or_else(|| {
            let why = Reason::OutOfRange {
                min: 0,
                max: Some(N as i64), // an enum has few values
                actual: number.into(),
            };
            violations.push(Violation::new(field, why));
            T::default()
        })
}

pub(super) fn instant(
    field: &str,
    timestamp: Option<Timestamp>,
    violations: &mut Violations,
) -> Option<DateTime<Utc>> {
    let Timestamp { seconds, nanos } = timestamp?;
    time::from_unix(seconds, nanos)
        .map_err(|why| violations.push(Violation::new(field, why)))
        .ok()
}

pub(super) fn list_response(page: TaskPage, fields: TaskFields) -> pb::ListOutboundTasksResponse {
    pb::ListOutboundTasksResponse {
        total: page.total.unwrap_or_default(),
        tasks: page.tasks.into_iter().map(|t| task(t, fields)).collect(),
        next_page_token: page.next_page_token,
        as_of: Some(timestamp(page.as_of)),
        status_counts: page
            .status_counts
            .into_iter()
            .map(|(status, count)| pb::TaskStatusCount {
                status: status as i32,
                count,
            })
            .collect(),
    }
}

pub(super) fn batch_get_response(
    batch: TaskBatch,
    fields: TaskFields,
) -> pb::BatchGetOutboundTasksResponse {
    pb::BatchGetOutboundTasksResponse {
        tasks: batch.tasks.into_iter().map(|t| task(t, fields)).collect(),
        missing_task_ids: batch.missing,
    }
}

pub(super) fn export_response(batch: Vec<ExportedTask>) -> pb::ExportOutboundTasksResponse {
    pb::ExportOutboundTasksResponse {
        tasks: batch.into_iter().map(|e| whole(e.task)).collect(),
    }
}

/// A task with all of its fields, for the response of a write.
pub(super) fn whole(task: Task) -> pb::OutboundTask {
    self::task(task, TaskFields::default())
}

/// A task with the wanted fields. All others are unset.
pub(super) fn task(task: Task, fields: TaskFields) -> pb::OutboundTask {
    let text = |field, text: String| fields.pick(field, text).unwrap_or_default();
    let number = |field, number| fields.pick(field, number).unwrap_or_default();
    let time = |field, instant| fields.pick(field, timestamp(instant));
    let actions = task.allowed_actions().map(|a| a as i32).collect();
    let allowed_actions: Option<Vec<i32>> = fields.pick(TaskField::AllowedActions, actions);
    let etag = fields.pick(TaskField::Etag, task.etag());
    pb::OutboundTask {
        task_id: text(TaskField::TaskId, task.task_id),
        name: text(TaskField::Name, task.name),
        // If the targets are not wanted, none were read, so the list is empty.
        target: task.target,
        start_time: time(TaskField::StartTime, task.start_time),
        end_time: time(TaskField::EndTime, task.end_time),
        status: number(TaskField::Status, task.status as i32),
        progress: number(TaskField::Progress, task.progress.into()),
        created_at: time(TaskField::CreatedAt, task.created_at),
        updated_at: time(TaskField::UpdatedAt, task.updated_at),
        target_count: number(TaskField::TargetCount, task.target_count),
        allowed_actions: allowed_actions.unwrap_or_default(),
        status_reason_code: number(TaskField::StatusReason, own_reason(&task.status_reason)),
        status_reason: text(TaskField::StatusReason, task.status_reason),
        status_changed_at: time(TaskField::StatusChangedAt, task.status_changed_at),
        target_counts: fields.pick(TaskField::TargetCounts, target_counts(task.target_counts)),
        etag: etag.unwrap_or_default(),
    }
}

fn target_counts(counts: TargetCounts) -> pb::TargetCounts {
    let TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    } = counts;
    pb::TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    }
}

/// The number of the service's own reason; 0 for a reason from a person.
pub(super) fn own_reason(sentence: &str) -> i32 {
    OwnReason::of(sentence).map_or(0, |reason| reason as i32)
}

/// A time as a message has it.
pub(crate) fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        // Less than 1,000,000,000, so it fits an i32.
        nanos: instant.timestamp_subsec_nanos() as i32,
    }
}
