//! The contract's messages as domain types, and back.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

use crate::{
    app::{TaskBatch, TaskPage},
    domain::{
        export::{ExportRequest, ExportedTask},
        filter::{DateField, Direction, FilterRequest, OrderBy, TaskOrder},
        list::ListRequest,
        status::TaskStatus,
        target::TargetCounts,
        task::Task,
        time,
    },
    error::Violation,
    pb,
};

/// Reads the request; every value that is none goes into `faults`.
pub(super) fn list_request(
    message: pb::ListOutboundTasksRequest,
    faults: &mut Vec<Violation>,
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
    } = message;
    ListRequest {
        page: Some(page.into()).filter(|n| *n != 0),
        limit: Some(limit.into()).filter(|n| *n != 0),
        filter: filter_request("", status, date_range, date_field, faults),
        order: task_order(order_by, order, faults),
        page_token,
        target_limit: target_limit.map(i64::from),
        status_counts,
    }
}

/// Reads the request; every value that is none goes into `faults`.
pub(super) fn export_request(
    message: pb::ExportOutboundTasksRequest,
    faults: &mut Vec<Violation>,
) -> ExportRequest {
    let pb::ExportOutboundTasksRequest {
        filter,
        order_by,
        order,
        target_limit,
    } = message;
    let pb::TaskFilter {
        status,
        date_range,
        date_field,
    } = filter.unwrap_or_default();
    ExportRequest {
        filter: filter_request("filter.", status, date_range, date_field, faults),
        order: task_order(order_by, order, faults),
        target_limit: target_limit.map(i64::from),
    }
}

fn task_order(order_by: i32, order: i32, faults: &mut Vec<Violation>) -> TaskOrder {
    TaskOrder {
        by: known("order_by", order_by, OrderBy::ALL, |o| o as i32, faults),
        direction: known("order", order, Direction::ALL, |d| d as i32, faults),
    }
}

/// The filter's part of a request, whose fields stand below `at`, as "" or "filter.".
pub(super) fn filter_request(
    at: &str,
    status: Vec<i32>,
    date_range: Option<pb::DateRange>,
    date_field: i32,
    faults: &mut Vec<Violation>,
) -> FilterRequest {
    let mut statuses = Vec::with_capacity(status.len());
    for (place, number) in status.into_iter().enumerate() {
        match TaskStatus::from_number(number) {
            Some(status) => statuses.push(status),
            None => faults.push(Violation::new(
                format!("{at}status[{place}]"),
                format!("must be a TaskStatus other than TASK_STATUS_UNSPECIFIED, was {number}"),
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
            faults,
        ),
        start: instant(&format!("{at}date_range.start"), range.start, faults),
        end: instant(&format!("{at}date_range.end"), range.end, faults),
    }
}

/// The value with this number; 0 means the default.
pub(super) fn known<T: Copy + Default, const N: usize>(
    field: &str,
    number: i32,
    all: [T; N],
    number_of: fn(T) -> i32,
    faults: &mut Vec<Violation>,
) -> T {
    if number == 0 {
        return T::default();
    }
    all.into_iter()
        .find(|v| number_of(*v) == number)
        .unwrap_or_else(|| {
            faults.push(Violation::new(
                field,
                format!("must be 0 to {N}, was {number}"),
            ));
            T::default()
        })
}

pub(super) fn instant(
    field: &str,
    timestamp: Option<Timestamp>,
    faults: &mut Vec<Violation>,
) -> Option<DateTime<Utc>> {
    let Timestamp { seconds, nanos } = timestamp?;
    time::from_unix(seconds, nanos)
        .map_err(|why| faults.push(Violation::new(field, why)))
        .ok()
}

pub(super) fn list_response(page: TaskPage) -> pb::ListOutboundTasksResponse {
    pb::ListOutboundTasksResponse {
        total: page.total,
        tasks: page.tasks.into_iter().map(task).collect(),
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

pub(super) fn batch_get_response(batch: TaskBatch) -> pb::BatchGetOutboundTasksResponse {
    pb::BatchGetOutboundTasksResponse {
        tasks: batch.tasks.into_iter().map(task).collect(),
        missing_task_ids: batch.missing,
    }
}

pub(super) fn export_response(batch: Vec<ExportedTask>) -> pb::ExportOutboundTasksResponse {
    pb::ExportOutboundTasksResponse {
        tasks: batch.into_iter().map(|e| task(e.task)).collect(),
    }
}

pub(super) fn task(task: Task) -> pb::OutboundTask {
    let TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    } = task.target_counts;
    pb::OutboundTask {
        allowed_actions: task.allowed_actions().map(|a| a as i32).collect(),
        status_changed_at: Some(timestamp(task.status_changed_at)),
        target_counts: Some(pb::TargetCounts {
            pending,
            answered,
            no_answer,
            busy,
            failed,
            skipped,
        }),
        etag: task.etag(),
        status_reason: task.status_reason,
        task_id: task.task_id,
        name: task.name,
        target: task.target,
        start_time: Some(timestamp(task.start_time)),
        end_time: Some(timestamp(task.end_time)),
        status: task.status as i32,
        progress: task.progress.into(),
        created_at: Some(timestamp(task.created_at)),
        updated_at: Some(timestamp(task.updated_at)),
        target_count: task.target_count,
    }
}

pub(super) fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        // Below a thousand million, so within an i32.
        nanos: instant.timestamp_subsec_nanos() as i32,
    }
}
