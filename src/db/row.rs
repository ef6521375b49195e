//! The columns of a task: as all statements return them, as the change log holds them, and as an
//! import copies them.

use std::{pin::Pin, time::SystemTime};

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, Queryable, Selectable,
    dsl::SqlTypeOf,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, Nullable, SmallInt, Text, Timestamptz},
};
use tokio_postgres::{
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::{
    schema::tasks,
    sql::{Part, sql},
};
use crate::{
    domain::{
        filter::TaskImage,
        labels::Labels,
        limits::INLINE_TARGETS,
        status::TaskStatus,
        target::{TargetCounts, TargetState},
        task::{NewTask, Task},
    },
    error::{Error, Result},
};

/// Declares the columns of a task once: as a row, for diesel's builder, and as SQL.
macro_rules! task_row {
    ($($column:ident: $type:ty,)*) => {
        /// A task's columns. `TaskRow::as_select()` and `as_returning()` read them by diesel's builder.
        #[derive(Debug, Queryable, Selectable)]
        #[diesel(table_name = tasks, check_for_backend(Pg))]
        pub(super) struct TaskRow {
            $($column: $type,)*
            /// The first customers; a statement says how many.
            target: Vec<String>,
        }

        /// The columns of a task `t` in SQL, each with a comma behind it. The last one, `target`,
        /// is left to the statement.
        pub(super) const COLUMNS: &str = concat!($("t.", stringify!($column), ", "),*);

        /// The columns in the order of [`COLUMNS`], with `target` last.
        #[derive(Debug, Clone, Copy)]
        #[allow(non_camel_case_types)] // named as the columns
        pub(super) enum Column {
            $($column,)*
            target,
        }

        /// The SQL types of a [`TaskRow`].
        pub(super) type TaskSql = ($(SqlTypeOf<tasks::$column>,)* SqlTypeOf<tasks::target>);
    };
}

task_row! {
    task_id: String,
    name: String,
    start_time: DateTime<Utc>,
    end_time: DateTime<Utc>,
    status: i16,
    progress: i16,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    target_count: i32,
    status_reason: String,
    status_changed_at: Option<DateTime<Utc>>,
    targets_answered: i32,
    targets_no_answer: i32,
    targets_busy: i32,
    targets_failed: i32,
    targets_skipped: i32,
    labels: Option<Vec<String>>,
    revision: i64,
    copied_from: String,
    last_result_at: Option<DateTime<Utc>>,
}

/// The columns with numbers of targets: all, and those with each result.
pub(super) const TARGET_COLUMNS: [&str; 6] = [
    "target_count",
    "targets_answered",
    "targets_no_answer",
    "targets_busy",
    "targets_failed",
    "targets_skipped",
];

/// The first customers of a task `t`, this many of them: the whole column if it cannot have more, because PostgreSQL
/// copies a slice element by element.
#[derive(Debug)]
pub(super) struct Targets<'b>(pub(super) &'b i32);

impl<'b> Part<'b> for Targets<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match usize::try_from(*self.0) {
            Ok(limit) if limit >= INLINE_TARGETS => sql!(out, "t.target"),
            _ => sql!(out, "t.target[1:" {self.0} "]"),
        }
    }
}

/// Converts a row to a task; INTERNAL if the database contains an invalid value.
pub(super) fn to_task(row: TaskRow) -> Result<Task> {
    let TaskRow {
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
        targets_answered: answered,
        targets_no_answer: no_answer,
        targets_busy: busy,
        targets_failed: failed,
        targets_skipped: skipped,
        labels,
        revision,
        copied_from,
        last_result_at,
        target,
    } = row;
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
        // A task whose status never changed has had it since it was made.
        status_changed_at: status_changed_at.unwrap_or(created_at),
        target_counts: TargetCounts::of_results(
            target_count,
            [answered, no_answer, busy, failed, skipped],
        ),
        labels: to_labels(labels),
        revision,
        copied_from,
        last_result_at,
    })
}

/// Converts the column of labels.
pub(super) fn to_labels(terms: Option<Vec<String>>) -> Labels {
    Labels::of_terms(terms.iter().flatten().map(String::as_str))
}

/// Converts the number of a status; INTERNAL if it is unknown.
pub(super) fn to_status(number: i16) -> Result<TaskStatus> {
    TaskStatus::from_number(number.into())
        .ok_or_else(|| Error::internal(format!("the database holds status {number}")))
}

/// The values of a task before a change, from the row `c` of the change log.
pub(super) const WAS_COLUMNS: &str = "c.was_status, c.was_start_time, c.was_end_time, c.was_created_at, \
    c.was_updated_at, task_name_fold(c.was_name), c.was_labels";
/// The SQL types of [`WAS_COLUMNS`].
pub(super) type WasSql = (
    SmallInt,
    Timestamptz,
    Timestamptz,
    Timestamptz,
    Timestamptz,
    Text,
    Nullable<Array<Text>>,
);
/// The values of [`WAS_COLUMNS`].
pub(super) type WasRow = (
    i16,
    DateTime<Utc>,
    DateTime<Utc>,
    DateTime<Utc>,
    DateTime<Utc>,
    String,
    Option<Vec<String>>,
);

/// Converts the values before a change; INTERNAL if the log contains an invalid one.
pub(super) fn to_image(was: WasRow) -> Result<TaskImage> {
    let (status, start_time, end_time, created_at, updated_at, folded_name, labels) = was;
    Ok(TaskImage {
        status: to_status(status)?,
        start_time,
        end_time,
        created_at,
        updated_at,
        folded_name,
        labels: to_labels(labels),
    })
}

/// The number of columns that an import copies.
pub(super) const ALL_COLUMNS: usize = 21;
/// The columns that an import copies, with their types. The first [`FRESH_COLUMNS`] suffice for
/// most tasks.
pub(super) static COPIED_COLUMNS: [(&str, Type); ALL_COLUMNS] = [
    ("tenant_id", Type::TEXT),
    ("task_id", Type::TEXT),
    ("name", Type::TEXT),
    ("start_time", Type::TIMESTAMPTZ),
    ("end_time", Type::TIMESTAMPTZ),
    ("status", Type::INT2),
    ("progress", Type::INT2),
    ("created_at", Type::TIMESTAMPTZ),
    ("updated_at", Type::TIMESTAMPTZ),
    ("target_count", Type::INT4),
    ("target", Type::TEXT_ARRAY),
    ("status_reason", Type::TEXT),
    ("status_changed_at", Type::TIMESTAMPTZ),
    ("targets_answered", Type::INT4),
    ("targets_no_answer", Type::INT4),
    ("targets_busy", Type::INT4),
    ("targets_failed", Type::INT4),
    ("targets_skipped", Type::INT4),
    ("copied_from", Type::TEXT),
    ("labels", Type::TEXT_ARRAY),
    ("last_result_at", Type::TIMESTAMPTZ),
];
/// How many of [`COPIED_COLUMNS`] a task needs that has no status reason, no status time, no results and no labels, and is no
/// copy.
/// Shorter rows load faster.
pub(super) const FRESH_COLUMNS: usize = 11;

/// Writes a task into the first `columns` of [`COPIED_COLUMNS`]. `now` is the time of creation of
/// tasks without one.
pub(super) async fn copy_row(
    rows: Pin<&mut BinaryCopyInWriter>,
    columns: usize,
    tenant: &str,
    task: &NewTask,
    target_count: i32,
    now: SystemTime,
) -> std::result::Result<(), tokio_postgres::Error> {
    let inline = &task.targets[..task.targets.len().min(INLINE_TARGETS)];
    let with = |state| {
        let of_state = task.results.iter().filter(|r| r.state == state);
        of_state.count() as i32 // at most target_count, an i32
    };
    let last_result_at = task.last_result_time().map(SystemTime::from);
    let last_result_at = last_result_at.map(|at| at.min(now));
    let values: [&(dyn ToSql + Sync); ALL_COLUMNS] = [
        &tenant,
        &task.task_id,
        &task.name,
        &SystemTime::from(task.start_time),
        &SystemTime::from(task.end_time),
        &(task.status as i16),
        &task.progress,
        &task.created_at.map_or(now, SystemTime::from),
        &task.updated_at.map_or(now, SystemTime::from),
        &target_count,
        &inline,
        &task.status_reason,
        &task.status_changed_at.map(SystemTime::from),
        &with(TargetState::Answered),
        &with(TargetState::NoAnswer),
        &with(TargetState::Busy),
        &with(TargetState::Failed),
        &with(TargetState::Skipped),
        &task.copied_from,
        &task.labels.terms(),
        &last_result_at,
    ];
    rows.write(&values[..columns]).await
}
