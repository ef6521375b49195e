//! Writes tasks. A task's row is locked before the rules are checked, so the decision stays valid until the commit.
//!
//! Each change is one statement, which also writes the events:
//!
//! ```sql
//! WITH changed AS (UPDATE tasks … RETURNING …), noted AS (INSERT INTO task_events … FROM changed …) SELECT … FROM changed
//! ```
//!
//! The time of a change is `statement_timestamp()` of the statement that makes it. The statement follows the lock, so
//! its time is later than that of the previous holder; the transaction's own time need not be. The event of the change
//! gets the same time.

use diesel::{
    QueryResult,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment},
    sql_types::Text,
};
use diesel_async::RunQueryDsl;

use super::{
    NewEvents, TenantDb, Transaction,
    events::Noted,
    row::{COLUMNS, TaskRow, TaskSql, to_task},
    schema::tasks,
    sql::{Part, sql, statement},
};
use crate::{
    domain::{limits::INLINE_TARGETS, status::TaskStatus, task::Task, write::UpdatedValues},
    error::{Error, Result},
};

/// Finds tasks by their ids, each by one scan of the primary key, the only index with this order.
/// These statements are prepared, perhaps while the table is nearly empty. With a plain equality
/// PostgreSQL might then keep a plan that reads all tasks of the tenant.
#[derive(Debug, Clone, Copy)]
struct Found<'b> {
    tenant: &'b str,
    task_ids: &'b [&'b str],
    columns: &'static str,
    /// What follows the subselect: a lock, or nothing.
    lock: &'static str,
}

impl<'b> Found<'b> {
    /// The rows of locked tasks, which do not move.
    fn row_ids(tenant: &'b str, task_ids: &'b [&'b str]) -> Self {
        Self {
            tenant,
            task_ids,
            columns: "t.ctid AS row_id",
            lock: "",
        }
    }
}

impl<'b> Part<'b> for Found<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task_ids,
            columns,
            lock,
        } = self;
        sql!(out,
            "unnest(" {task_ids} ") AS a (task_id) CROSS JOIN LATERAL (SELECT " [columns]
            " FROM tasks t WHERE t.tenant_id = " {tenant}
            " AND t.task_id >= a.task_id AND t.task_id <= a.task_id ORDER BY t.task_id LIMIT 1" [lock] ")"
        )
    }
}

/// Reads tasks by their ids, and locks them. If the claimed key of the write is given, it does so
/// only if this transaction claimed it.
#[derive(Debug)]
pub(super) struct LockStatement<'a> {
    tenant: &'a str,
    key: Option<&'a str>,
    task_ids: Vec<&'a str>,
}

impl<'a> LockStatement<'a> {
    /// `None` if there is nothing to lock.
    pub(super) fn new(tenant: &'a str, key: Option<&'a str>, tasks: &[&'a str]) -> Option<Self> {
        let mut task_ids = tasks.to_vec();
        // All writers lock in this order, so that none of two waits for the other.
        task_ids.sort_unstable();
        task_ids.dedup();
        (!task_ids.is_empty()).then_some(Self {
            tenant,
            key,
            task_ids,
        })
    }
}

/// The condition that the key of a write is claimed and has no outcome yet, which only the
/// claiming transaction sees.
#[derive(Debug, Clone, Copy)]
struct IsClaimed<'b> {
    tenant: &'b str,
    key: &'b str,
}

impl<'b> Part<'b> for IsClaimed<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, key } = self;
        sql!(out,
            " WHERE (SELECT i.outcome = '' FROM idempotency_keys i WHERE i.tenant_id = " {tenant}
            " AND i.idempotency_key >= " {key} " AND i.idempotency_key <= " {key}
            " ORDER BY i.idempotency_key LIMIT 1)"
        )
    }
}

impl QueryFragment<Pg> for LockStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            key,
            task_ids,
        } = self;
        let out = &mut out;
        let found = Found {
            tenant,
            task_ids,
            columns: "*",
            lock: " FOR UPDATE",
        };
        let is_claimed = key.map(|key| IsClaimed { tenant, key });
        sql!(out, "SELECT " [COLUMNS] "t.target FROM " {found} " t" {is_claimed})
    }
}

statement!(LockStatement<'_>: TaskSql);

/// What a statement sets in locked tasks, beside `updated_at`.
#[derive(Debug)]
pub(super) enum Set<'a> {
    Status {
        status: i16,
        reason: &'a str,
    },
    Fields {
        values: &'a UpdatedValues,
        labels: Option<Vec<String>>,
    },
    Counts(Counts),
}

/// The counts of a task's targets.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) target_count: i32,
    pub(super) progress: i16,
    /// Answered, no answer, busy, failed, skipped.
    pub(super) states: [i32; 5],
    /// Whether targets were added or removed. Then the first of them are copied into the task's
    /// row.
    pub(super) has_other_targets: bool,
    /// How many calls the stored results are of; `None` if no results were stored.
    pub(super) calls: Option<i64>,
}

/// Changes locked tasks, stores the events, and returns the tasks as they are then.
#[derive(Debug)]
pub(super) struct ChangeStatement<'a> {
    pub(super) tenant: &'a str,
    pub(super) task_ids: &'a [&'a str],
    pub(super) set: Set<'a>,
    pub(super) noted: Noted<'a>,
}

impl<'b> Part<'b> for &'b Counts {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Counts {
            target_count,
            progress,
            states: [answered, no_answer, busy, failed, skipped],
            has_other_targets,
            calls,
        } = self;
        let most = INLINE_TARGETS;
        sql!(out,
            "target_count = " {target_count} ", progress = " {progress} ", targets_answered = " {answered}
            ", targets_no_answer = " {no_answer} ", targets_busy = " {busy} ", targets_failed = " {failed}
            ", targets_skipped = " {skipped} ", "
        )?;
        if let Some(calls) = calls {
            sql!(out, "last_result_at = statement_timestamp(), calls = t.calls + " {calls} ", ")?;
        }
        if *has_other_targets {
            out.push_sql(&format!(
                "target = ARRAY(SELECT g.customer_id FROM task_targets g WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id \
                    ORDER BY g.position LIMIT {most}), "
            ));
        }
        Ok(())
    }
}

impl<'b> Part<'b> for &'b Set<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Set::Status { status, reason } => sql!(out,
                "status = " {status} ", status_reason = " {*reason} ", status_changed_at = statement_timestamp(), "
            ),
            Set::Fields { values, labels } => {
                let UpdatedValues {
                    name,
                    start_time,
                    end_time,
                    labels: _,
                } = values;
                sql!(out,
                    "name = " {name.as_str()} ", start_time = " {start_time} ", end_time = " {end_time} ", labels = "
                    {labels} ", "
                )
            }
            Set::Counts(counts) => counts.push(out),
        }
    }
}

impl QueryFragment<Pg> for ChangeStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task_ids,
            set,
            noted,
        } = self;
        let out = &mut out;
        let found = Found::row_ids(tenant, task_ids);
        sql!(out,
            "WITH changed AS (UPDATE tasks t SET " {set} "updated_at = statement_timestamp() FROM " {found}
                " f WHERE t.ctid = f.row_id RETURNING " [COLUMNS] "t.target)"
            {noted} " SELECT " [COLUMNS] "t.target FROM changed t"
        )
    }
}

statement!(ChangeStatement<'_>: TaskSql);

/// Deletes a locked task, and stores the event; a trigger deletes its targets.
#[derive(Debug)]
struct DeleteStatement<'a> {
    tenant: &'a str,
    task_id: [&'a str; 1],
    noted: Noted<'a>,
}

impl QueryFragment<Pg> for DeleteStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task_id,
            noted,
        } = self;
        let out = &mut out;
        let found = Found::row_ids(tenant, task_id);
        sql!(out,
            "WITH changed AS (DELETE FROM tasks t USING " {found}
                " f WHERE t.ctid = f.row_id RETURNING t.task_id, statement_timestamp() AS updated_at)"
            {noted} " SELECT c.task_id FROM changed c"
        )
    }
}

statement!(DeleteStatement<'_>: Text);

impl TenantDb<'_> {
    /// Distinguishes a task from a later one with the same id; `None` if the task does not exist.
    pub async fn task_generation(&self, task_id: &str) -> Result<Option<i64>> {
        let generation = tasks::table
            .find((self.tenant.as_str(), task_id))
            .select(tasks::generation);
        self.run("generation", async |connection| {
            generation.first(connection).await.optional()
        })
        .await
    }
}

impl Transaction<'_> {
    /// Distinguishes a task from a later one with the same id; `None` if the task does not exist.
    pub async fn task_generation(&mut self, task_id: &str) -> Result<Option<i64>> {
        let generation = tasks::table
            .find((self.tenant.as_str(), task_id))
            .select(tasks::generation);
        self.run(async |connection| generation.first(connection).await.optional())
            .await
    }

    /// Sets the status of locked tasks.
    pub async fn task_set_status(
        &mut self,
        task_ids: &[&str],
        status: TaskStatus,
        events: NewEvents<'_>,
    ) -> Result<Vec<Task>> {
        let reason = events.reason;
        let set = Set::Status {
            status: status as i16,
            reason,
        };
        self.task_set(task_ids, set, events).await
    }

    /// Sets the fields of a locked task that an update can change.
    pub async fn task_set_fields(
        &mut self,
        task_id: &str,
        values: &UpdatedValues,
        events: NewEvents<'_>,
    ) -> Result<Task> {
        let labels = values.labels.terms();
        let set = Set::Fields { values, labels };
        one(self.task_set(&[task_id], set, events).await?)
    }

    pub(super) async fn task_set(
        &mut self,
        task_ids: &[&str],
        set: Set<'_>,
        events: NewEvents<'_>,
    ) -> Result<Vec<Task>> {
        let tenant = self.tenant.as_str();
        let change = ChangeStatement {
            tenant,
            task_ids,
            set,
            noted: Noted::new(tenant, events)?,
        };
        let rows: Vec<TaskRow> = self
            .run_change(async |connection| change.load(&mut &*connection).await)
            .await?;
        rows.into_iter().map(to_task).collect()
    }

    /// Deletes a locked task; a trigger deletes its targets.
    pub async fn task_delete(&mut self, task_id: &str, events: NewEvents<'_>) -> Result<()> {
        let tenant = self.tenant.as_str();
        let delete = DeleteStatement {
            tenant,
            task_id: [task_id],
            noted: Noted::new(tenant, events)?,
        };
        let gone: Vec<String> = self
            .run_change(async |connection| delete.load(&mut &*connection).await)
            .await?;
        match gone.is_empty() {
            false => Ok(()),
            true => Err(Error::internal("a locked task was not there to be deleted")),
        }
    }
}

/// The only changed task.
pub(super) fn one(changed: Vec<Task>) -> Result<Task> {
    let changed = changed.into_iter().next();
    changed.ok_or_else(|| Error::internal("a locked task was not there to be changed"))
}
