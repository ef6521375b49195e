//! Converts a task of a response to the output form.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

use crate::{
    app::json::{OutboundTask, Time, TimeFormat},
    cli::terminal::failed,
    domain::{
        action::TaskAction,
        fields::{TaskField, TaskFields},
        status::TaskStatus,
        target::TargetCounts,
        time,
    },
    error::{Error, Result},
    pb,
};

/// The task in the JSON form of the gateway. `fields` are the requested ones, because a message does not distinguish an
/// empty field from an absent one.
pub(in crate::cli) fn record(
    task: &pb::OutboundTask,
    fields: TaskFields,
) -> Result<OutboundTask<'_>> {
    let pb::OutboundTask {
        task_id,
        name,
        target,
        start_time,
        end_time,
        status,
        progress,
        created_at,
        updated_at,
        target_count,
        allowed_actions,
        status_reason,
        status_changed_at,
        target_counts,
        etag,
        // The JSON form has the sentence but not the code.
        status_reason_code: _,
    } = task;
    let time = |field, at: &Option<Timestamp>| match fields.contains(field) {
        true => instant(*at).map(|at| Some(Time(at, TimeFormat::Rfc3339))),
        false => Ok(None),
    };
    let actions = || -> Result<Vec<&'static str>> {
        let actions = allowed_actions.iter();
        let known = actions.map(|number| TaskAction::from_number(*number).map(TaskAction::word));
        known.collect::<Option<_>>().ok_or_else(unknown)
    };
    let target_counts = || target_counts.map(counts).ok_or_else(unknown);
    Ok(OutboundTask {
        task_id: fields.pick(TaskField::TaskId, task_id.as_str()),
        name: fields.pick(TaskField::Name, name.as_str()),
        target: fields.pick(TaskField::Target, target.as_slice()),
        start_time: time(TaskField::StartTime, start_time)?,
        end_time: time(TaskField::EndTime, end_time)?,
        status: pick(fields, TaskField::Status, || {
            task_status(*status).map(TaskStatus::word)
        })?,
        progress: fields.pick(TaskField::Progress, *progress),
        created_at: time(TaskField::CreatedAt, created_at)?,
        updated_at: time(TaskField::UpdatedAt, updated_at)?,
        target_count: fields.pick(TaskField::TargetCount, *target_count),
        allowed_actions: pick(fields, TaskField::AllowedActions, actions)?,
        status_reason: fields.pick(TaskField::StatusReason, status_reason.as_str()),
        status_changed_at: time(TaskField::StatusChangedAt, status_changed_at)?,
        target_counts: pick(fields, TaskField::TargetCounts, target_counts)?,
        etag: fields.pick(TaskField::Etag, etag.as_str().into()),
    })
}

/// The status with this number.
pub(in crate::cli) fn task_status(number: i32) -> Result<TaskStatus> {
    TaskStatus::from_number(number).ok_or_else(unknown)
}

/// A time that the API guarantees to be present.
pub(in crate::cli) fn instant(at: Option<Timestamp>) -> Result<DateTime<Utc>> {
    let Timestamp { seconds, nanos } = at.ok_or_else(unknown)?;
    time::from_unix(seconds, nanos).map_err(|_| unknown())
}

/// The value of a field; an error if a newer version of the API defines it differently.
fn pick<T>(
    fields: TaskFields,
    field: TaskField,
    value: impl FnOnce() -> Result<T>,
) -> Result<Option<T>> {
    fields.contains(field).then(value).transpose()
}

fn counts(counts: pb::TargetCounts) -> TargetCounts {
    let pb::TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    } = counts;
    TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    }
}

/// The error for a value that this program does not know; leaving the value out would be misleading.
pub(in crate::cli) fn unknown() -> Error {
    failed(
        "the response cannot be read",
        "the service uses another version of the API than this program",
    )
}
