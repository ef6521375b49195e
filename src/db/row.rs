//! The columns of a task, shared by all statements that return tasks.

use chrono::{DateTime, Utc};
use diesel::{Queryable, Selectable, dsl::SqlTypeOf, pg::Pg};

use super::schema::tasks;
use crate::{
    domain::{status::TaskStatus, target::TargetCounts, task::Task},
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
    revision: i64,
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
        revision,
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
