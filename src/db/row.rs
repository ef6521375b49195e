//! The columns of a task, shared by all statements that return tasks.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, SmallInt, Text, Timestamptz};

use crate::{
    domain::{status::TaskStatus, target::TargetCounts, task::Task},
    error::{Error, Result},
};

/// The columns of a task `t` in the order of [`TaskRow`], except for the last one, `target`, which each statement
/// limits by itself.
pub(super) const COLUMNS: &str = "t.task_id, t.name, t.start_time, t.end_time, t.status, t.progress, t.created_at, \
    t.updated_at, t.target_count, t.status_reason, coalesce(t.status_changed_at, t.created_at) AS status_changed_at, \
    t.targets_answered, t.targets_no_answer, t.targets_busy, t.targets_failed, t.targets_skipped, t.revision";

/// The Rust types of [`COLUMNS`] and `target`.
pub(super) type TaskRow = (
    String,
    String,
    DateTime<Utc>,
    DateTime<Utc>,
    i16,
    i16,
    DateTime<Utc>,
    DateTime<Utc>,
    i32,
    String,
    DateTime<Utc>,
    i32,
    i32,
    i32,
    i32,
    i32,
    i64,
    Vec<String>,
);

/// The SQL types of [`COLUMNS`] and `target`.
pub(super) type TaskSql = (
    Text,
    Text,
    Timestamptz,
    Timestamptz,
    SmallInt,
    SmallInt,
    Timestamptz,
    Timestamptz,
    Integer,
    Text,
    Timestamptz,
    Integer,
    Integer,
    Integer,
    Integer,
    Integer,
    BigInt,
    Array<Text>,
);

/// Converts a row to a task; INTERNAL if the database contains an invalid value.
pub(super) fn to_task(row: TaskRow) -> Result<Task> {
    let (
        task_id,
        name,
        start_time,
        end_time,
        status,
        progress,
        created_at,
        updated_at,
        target_count,
        status_reason,
        status_changed_at,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
        revision,
        target,
    ) = row;
    Ok(Task {
        task_id,
        name,
        target,
        start_time,
        end_time,
        status: to_status(status)?,
        progress,
        created_at,
        updated_at,
        target_count,
        status_reason,
        status_changed_at,
        target_counts: TargetCounts {
            pending: target_count - answered - no_answer - busy - failed - skipped,
            answered,
            no_answer,
            busy,
            failed,
            skipped,
        },
        revision,
    })
}

/// Converts the number of a status; INTERNAL if it is unknown.
pub(super) fn to_status(number: i16) -> Result<TaskStatus> {
    TaskStatus::from_number(number.into())
        .ok_or_else(|| Error::internal(format!("the database holds status {number}")))
}
