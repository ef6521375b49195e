//! Writes tasks. A task's row is locked before the rules are checked, so the decision stays valid until the commit.
//!
//! The time of a change is `statement_timestamp()` of the statement that makes it. The statement follows the lock, so
//! its time is later than that of the previous holder; the transaction's own time need not be. The event of the change
//! gets the same time, which the statement returns.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_query,
    sql_types::{Array, Integer, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    TenantDb, Transaction,
    clock::statement_timestamp,
    row::{TaskRow, to_task},
    schema::tasks,
};
use crate::{
    domain::{
        limits::INLINE_TARGETS,
        status::TaskStatus,
        task::{NewTask, Stamp, Task},
    },
    error::{Error, Result},
};

impl TenantDb<'_> {
    /// Distinguishes a task from a later one with the same id; `None` if the task does not exist.
    pub async fn task_generation(&self, task_id: &str) -> Result<Option<i64>> {
        let generation = tasks::table
            .find((self.tenant.as_str(), task_id))
            .select(tasks::generation);
        self.db
            .run(async |connection| generation.first(connection).await.optional())
            .await
    }
}

impl Transaction<'_> {
    /// Inserts tasks in the order of their ids, so that two writers of the same tasks cannot deadlock. Returns the
    /// revision and times of each. Tasks with an existing id are left out.
    pub async fn task_insert(&mut self, new: &[NewTask]) -> Result<HashMap<String, Stamp>> {
        let tenant = self.tenant.as_str();
        let mut sorted: Vec<&NewTask> = new.iter().collect();
        sorted.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        let or_now = |time| {
            sql::<Timestamptz>("coalesce(")
                .bind::<Nullable<Timestamptz>, Option<DateTime<Utc>>>(time)
                .sql(", statement_timestamp())")
        };
        let rows: Vec<_> = sorted
            .iter()
            .map(|task| {
                let inline = &task.targets[..task.targets.len().min(INLINE_TARGETS)];
                Ok((
                    tasks::tenant_id.eq(tenant),
                    tasks::task_id.eq(&task.task_id),
                    tasks::name.eq(&task.name),
                    tasks::start_time.eq(task.start_time),
                    tasks::end_time.eq(task.end_time),
                    tasks::status.eq(task.status as i16),
                    tasks::progress.eq(task.progress),
                    tasks::created_at.eq(or_now(task.created_at)),
                    tasks::updated_at.eq(or_now(task.updated_at)),
                    tasks::target_count.eq(count(task.targets.len())?),
                    tasks::target.eq(inline),
                ))
            })
            .collect::<Result<_>>()?;
        let insert = diesel::insert_into(tasks::table)
            .values(rows)
            .on_conflict_do_nothing()
            .returning((
                tasks::task_id,
                (tasks::revision, tasks::created_at, tasks::updated_at),
            ));
        type Inserted = (String, (i64, DateTime<Utc>, DateTime<Utc>));
        let inserted: Vec<Inserted> = self
            .run(async |connection| insert.get_results(connection).await)
            .await?;

        let (mut task_ids, mut positions, mut customers) = (Vec::new(), Vec::new(), Vec::new());
        for task in sorted {
            for (position, customer) in task.targets.iter().enumerate() {
                task_ids.push(task.task_id.as_str());
                positions.push(count(position)?);
                customers.push(customer.as_str());
            }
        }
        if inserted.len() == new.len() && !customers.is_empty() {
            let insert = sql_query(
                "INSERT INTO task_targets (tenant_id, task_id, position, customer_id)
                 SELECT $1, g.* FROM unnest($2, $3, $4) AS g (task_id, position, customer_id)",
            )
            .bind::<Text, _>(tenant)
            .bind::<Array<Text>, _>(task_ids)
            .bind::<Array<Integer>, _>(positions)
            .bind::<Array<Text>, _>(customers);
            self.run(async |connection| insert.execute(connection).await)
                .await?;
        }
        let stamp = |(revision, created_at, updated_at)| Stamp {
            revision,
            created_at,
            updated_at,
        };
        Ok(inserted
            .into_iter()
            .map(|(task_id, given)| (task_id, stamp(given)))
            .collect())
    }

    /// Reads tasks by their ids, and locks them until the transaction ends.
    pub async fn task_lock(&mut self, task_ids: &[&str]) -> Result<Vec<Task>> {
        let lock = tasks::table
            .filter(tasks::tenant_id.eq(self.tenant.as_str()))
            .filter(tasks::task_id.eq_any(task_ids.iter().copied()))
            // All writers lock in this order, so that none of two waits for the other.
            .order(tasks::task_id)
            .select(TaskRow::as_select())
            .for_update();
        let rows: Vec<TaskRow> = self
            .run(async |connection| lock.load(connection).await)
            .await?;
        rows.into_iter().map(to_task).collect()
    }

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
        reason: &str,
    ) -> Result<Vec<Task>> {
        let set = diesel::update(tasks::table)
            .filter(tasks::tenant_id.eq(self.tenant.as_str()))
            .filter(tasks::task_id.eq_any(task_ids.iter().copied()))
            .set((
                tasks::status.eq(status as i16),
                tasks::status_reason.eq(reason),
                tasks::status_changed_at.eq(statement_timestamp().nullable()),
                tasks::updated_at.eq(statement_timestamp()),
            ))
            .returning(TaskRow::as_returning());
        let rows: Vec<TaskRow> = self
            .run(async |connection| set.load(connection).await)
            .await?;
        rows.into_iter().map(to_task).collect()
    }

    /// Sets the name and times of a locked task.
    pub async fn task_set_fields(
        &mut self,
        task_id: &str,
        name: &str,
        start_time: DateTime<Utc>,
        end_time: DateTime<Utc>,
    ) -> Result<Task> {
        let set = diesel::update(tasks::table.find((self.tenant.as_str(), task_id)))
            .set((
                tasks::name.eq(name),
                tasks::start_time.eq(start_time),
                tasks::end_time.eq(end_time),
                tasks::updated_at.eq(statement_timestamp()),
            ))
            .returning(TaskRow::as_returning());
        let row: TaskRow = self
            .run(async |connection| set.get_result(connection).await)
            .await?;
        to_task(row)
    }

    /// Deletes a locked task and returns the time; a trigger deletes its targets.
    pub async fn task_delete(&mut self, task_id: &str) -> Result<DateTime<Utc>> {
        let delete = diesel::delete(tasks::table.find((self.tenant.as_str(), task_id)))
            .returning(statement_timestamp());
        self.run(async |connection| delete.get_result(connection).await)
            .await
    }
}

fn count(of: usize) -> Result<i32> {
    i32::try_from(of).map_err(Error::internal)
}
