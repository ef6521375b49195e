//! The messages that hold tasks and filters, as domain types and back. The commands that call a
//! service use them too.

use std::borrow::Cow;

use chrono::Datelike;
use prost_types::Timestamp;

use super::convert_attention::{duration, read_attention, read_seconds};
use super::convert_counts::{read_target_counts, target_counts};
use super::convert_value::{
    instant, known, non_empty, own_reason, read_shown, read_time, timestamp,
};
use crate::{
    app::{QuotaReport, TaskBatch},
    domain::{
        action::TaskAction,
        date_range::DateFilter,
        export::{ExportRequest, ExportedTask},
        fields::{FieldValue, TaskField, TaskFields},
        filter::{Condition, FilterRequest, RowCondition, TaskFilter},
        get::View,
        list::ListRequest,
        order::TaskOrder,
        rate::Unit,
        status::TaskStatus,
        task::Task,
        words::Word,
        write::TaskDraft,
    },
    error::{Reason, Violation, Violations},
    pb,
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
        label,
        read_mask,
        count,
        target_sums,
        attention,
        stalled_after,
        attention_counts,
    } = message;
    let filter = pb::TaskFilter {
        status,
        date_range,
        date_field,
        customer_id,
        name,
        task_ids,
        label,
        attention,
        stalled_after,
    };
    ListRequest {
        page: Some(page.into()).filter(|n| *n != 0),
        limit: Some(limit.into()).filter(|n| *n != 0),
        filter: filter_request("", filter, violations),
        order: task_order(order_by, order, violations),
        page_token,
        shown: read_shown(target_limit, read_mask, violations),
        count: known("count", count, |c| c as i32, violations),
        status_counts,
        target_sums,
        attention_counts,
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
        by: known("order_by", order_by, |o| o as i32, violations),
        direction: known("order", order, |d| d as i32, violations),
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
        label,
        attention,
        stalled_after,
    } = filter;
    let mut statuses = Vec::with_capacity(status.len());
    for (index, number) in status.into_iter().enumerate() {
        match TaskStatus::from_number(number) {
            Some(status) => statuses.push(status),
            None => violations.push_with(|| {
                let why = Reason::UnknownNumber {
                    of: ("TaskStatus", "TASK_STATUS_UNSPECIFIED"),
                    actual: number,
                };
                Violation::new(format!("{at}status[{index}]"), why)
            }),
        }
    }
    let range = date_range.unwrap_or_default();
    FilterRequest {
        statuses: statuses.into_iter().collect(),
        date_field: known(
            &format!("{at}date_field"),
            date_field,
            |f| f as i32,
            violations,
        ),
        start: instant(
            format_args!("{at}date_range.start"),
            range.start,
            violations,
        ),
        end: instant(format_args!("{at}date_range.end"), range.end, violations),
        customer_id: non_empty(customer_id),
        name: non_empty(name),
        task_ids,
        labels: label,
        attention: read_attention(at, attention, violations),
        stalled_after: read_seconds(&format!("{at}stalled_after"), stalled_after, violations),
    }
}

/// Reads and checks a filter in a message of its own, the field `filter` of a request.
pub(super) fn task_filter(
    message: Option<pb::TaskFilter>,
    violations: &mut Violations,
) -> TaskFilter {
    read_filter(message, violations).check("filter.", violations)
}

/// Reads the same filter without a check.
pub(super) fn read_filter(
    message: Option<pb::TaskFilter>,
    violations: &mut Violations,
) -> FilterRequest {
    filter_request("filter.", message.unwrap_or_default(), violations)
}

/// The message of a filter.
pub(crate) fn filter_message(filter: &TaskFilter) -> pb::TaskFilter {
    let mut message = pb::TaskFilter::default();
    for condition in filter.conditions() {
        match condition {
            Condition::Row(RowCondition::Status(statuses)) => {
                message.status = statuses.iter().map(|status| status as i32).collect();
            }
            Condition::Row(RowCondition::Date(DateFilter { field, range })) => {
                let (start, end) = range.bounds();
                // A bare date near the limits can exceed the years of a Timestamp. No task is
                // there, so that side stays open.
                let start = start.filter(|t| t.year() >= 1).map(timestamp);
                let end = end.filter(|t| t.year() <= 9999).map(timestamp);
                message.date_field = field as i32;
                message.date_range = Some(pb::DateRange { start, end });
            }
            Condition::Customer(customer_id) => message.customer_id = customer_id.to_owned(),
            Condition::NamePart(part) => message.name = part.to_owned(),
            Condition::Id(task_ids) => message.task_ids = task_ids.as_slice().to_vec(),
            Condition::Labels(labels) => message.label = labels.terms().to_vec(),
            Condition::Attention(attention) => {
                message.attention = attention.kinds().map(|kind| kind as i32).collect();
                message.stalled_after = attention.stalled_after().map(duration);
            }
        }
    }
    message
}

/// A list request with a filter, whose fields it has as its own.
pub(crate) fn list_message(filter: &TaskFilter) -> pb::ListOutboundTasksRequest {
    let pb::TaskFilter {
        status,
        date_range,
        date_field,
        customer_id,
        name,
        task_ids,
        label,
        attention,
        stalled_after,
    } = filter_message(filter);
    pb::ListOutboundTasksRequest {
        status,
        date_range,
        date_field,
        customer_id,
        name,
        task_ids,
        label,
        attention,
        stalled_after,
        ..Default::default()
    }
}

/// Reads a new task. `at` is the prefix of its fields' names in violations, like `task.`.
pub(super) fn draft(
    message: pb::NewOutboundTask,
    at: &str,
    violations: &mut Violations,
) -> TaskDraft {
    let pb::NewOutboundTask {
        task_id,
        name,
        target,
        start_time,
        end_time,
        labels,
    } = message;
    TaskDraft {
        task_id,
        name,
        targets: target,
        start_time: instant(format_args!("{at}start_time"), start_time, violations),
        end_time: instant(format_args!("{at}end_time"), end_time, violations),
        labels: labels.into(),
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

/// The parts of a task that a write is asked to return.
pub(super) fn viewed(mut task: Task, view: View) -> pb::OutboundTask {
    let fields = view.cut(&mut task);
    self::task(task, fields)
}

/// A task with all of its fields.
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
        labels: fields
            .pick(TaskField::Labels, task.labels.into_map())
            .unwrap_or_default(),
        copied_from: text(TaskField::CopiedFrom, task.copied_from),
        last_result_at: task
            .last_result_at
            .and_then(|at| time(TaskField::LastResultAt, at)),
    }
}

/// The value of a field of a task in a response; `None` if it is none that this version of the API
/// has.
pub(crate) fn task_value(task: &pb::OutboundTask, field: TaskField) -> Option<FieldValue<'_>> {
    let time = |at: Option<Timestamp>| read_time(at).map(FieldValue::Time);
    Some(match field {
        TaskField::TaskId => FieldValue::word(&task.task_id),
        TaskField::Name => FieldValue::Text(&task.name),
        TaskField::Target => FieldValue::Ids(&task.target),
        TaskField::StartTime => time(task.start_time)?,
        TaskField::EndTime => time(task.end_time)?,
        TaskField::Status => FieldValue::word(TaskStatus::from_number(task.status)?.word()),
        TaskField::Progress => FieldValue::Percent(task.progress),
        TaskField::CreatedAt => time(task.created_at)?,
        TaskField::UpdatedAt => time(task.updated_at)?,
        TaskField::TargetCount => FieldValue::Number(task.target_count),
        TaskField::AllowedActions => {
            let actions = task.allowed_actions.iter();
            let words =
                actions.map(|number| TaskAction::from_number(*number).map(TaskAction::word));
            FieldValue::Words(words.collect::<Option<_>>()?)
        }
        TaskField::StatusReason => FieldValue::Text(&task.status_reason),
        TaskField::StatusChangedAt => time(task.status_changed_at)?,
        TaskField::TargetCounts => FieldValue::Counts(read_target_counts(task.target_counts?)),
        TaskField::Etag => FieldValue::word(&task.etag),
        TaskField::Labels => FieldValue::Labels(Cow::Owned(task.labels.clone().into())),
        TaskField::CopiedFrom => FieldValue::word(&task.copied_from),
        TaskField::LastResultAt => match task.last_result_at {
            Some(at) => time(Some(at))?,
            None => FieldValue::Absent,
        },
    })
}

/// A quota.
pub(super) fn quota(quota: QuotaReport) -> pb::Quota {
    let unit = match quota.unit {
        Unit::Calls => pb::QuotaUnit::Calls,
        Unit::Cost => pb::QuotaUnit::DatabaseMilliseconds,
    };
    pb::Quota {
        name: quota.name.to_owned(),
        unit: unit as i32,
        limit: quota.limit,
        window_seconds: quota.window_seconds,
        remaining: quota.remaining,
        reset_seconds: quota.reset_seconds,
    }
}
