//! Stores and reads the events of tasks: who changed what.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment},
    sql_query,
    sql_types::{Array, BigInt, Interval, Jsonb, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    TenantDb, Transaction,
    clock::span,
    keyset::Keyset,
    schema::task_events,
    sql::{Constant, sql, statement},
};
use crate::{
    domain::{
        event::{Change, EventKind, TaskEvent},
        order::Direction,
        words::Word,
    },
    error::{Error, Result},
};

/// A new event of a task.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// The task.
    pub task_id: &'a str,
    /// The kind of change.
    pub kind: EventKind,
    /// The changed fields.
    pub changes: Vec<Change>,
}

impl Transaction<'_> {
    /// Adds events. `key_id` is empty for changes by the service itself. `at` is the time that the change gave its
    /// tasks, so that a task and its events agree.
    pub async fn events_add(
        &mut self,
        at: DateTime<Utc>,
        key_id: &str,
        reason: &str,
        events: &[NewEvent<'_>],
    ) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let task_ids: Vec<&str> = events.iter().map(|e| e.task_id).collect();
        let kinds: Vec<&str> = events.iter().map(|e| e.kind.word()).collect();
        let changes: Vec<_> = events
            .iter()
            .map(|e| serde_json::json!(e.changes))
            .collect();
        let add = sql_query(
            "INSERT INTO task_events (tenant_id, at, key_id, reason, task_id, kind, changes)
             SELECT $1, $2, $3, $4, e.* FROM unnest($5, $6, $7) AS e (task_id, kind, changes)",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Timestamptz, _>(at)
        .bind::<Text, _>(key_id)
        .bind::<Text, _>(reason)
        .bind::<Array<Text>, _>(task_ids)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Array<Jsonb>, _>(changes);
        self.run(async |connection| add.execute(connection).await)
            .await
            .map(drop)
    }
}

/// Lists events of a task.
#[derive(Debug)]
struct EventStatement<'a> {
    tenant: &'a str,
    task_id: &'a str,
    direction: Direction,
    /// The event before the first one.
    after: Option<i64>,
    /// Most events.
    most: i64,
}

/// An event: its id, time, key, kind, reason and changes.
type Row = (
    i64,
    DateTime<Utc>,
    String,
    String,
    String,
    serde_json::Value,
);

impl QueryFragment<Pg> for EventStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task_id,
            direction,
            after,
            most,
        } = self;
        let out = &mut out;
        let keyset = Keyset {
            column: None,
            unique: "event_id",
            direction: *direction,
        };
        let after = after
            .as_ref()
            .map(|event_id| keyset.after("e", Constant(""), event_id));
        sql!(out,
            "SELECT e.event_id, e.at, e.key_id, e.kind, e.reason, e.changes FROM task_events e \
             WHERE e.tenant_id = " {*tenant} " AND e.task_id = " {*task_id}
            {after} {keyset.order("e")} " LIMIT " {most}
        )
    }
}

statement!(EventStatement<'_>: (BigInt, Timestamptz, Text, Text, Text, Jsonb));

impl TenantDb<'_> {
    /// At most `most` events of the current and of deleted tasks with this id, from behind the event `after` on.
    pub async fn event_list(
        &self,
        task_id: &str,
        direction: Direction,
        after: Option<i64>,
        most: i64,
    ) -> Result<Vec<TaskEvent>> {
        let list = EventStatement {
            tenant: self.tenant.as_str(),
            task_id,
            direction,
            after,
            most,
        };
        let rows: Vec<Row> = self
            .db
            .run(async |connection| list.load(connection).await)
            .await?;
        let to_event = |(event_id, at, key_id, kind, reason, changes): Row| {
            Ok(TaskEvent {
                event_id,
                at,
                key_id,
                kind: EventKind::from_word(&kind).ok_or_else(|| {
                    Error::internal(format!("the database holds an event of the kind {kind}"))
                })?,
                reason,
                changes: serde_json::from_value(changes).map_err(Error::internal)?,
            })
        };
        rows.into_iter().map(to_event).collect()
    }

    /// Deletes events older than `age`, at most `most`; returns how many.
    pub async fn event_clean(&self, age: TimeDelta, most: i64) -> Result<usize> {
        let before = dsl::sql::<Timestamptz>("now() - ").bind::<Interval, _>(span(age));
        let old = task_events::table
            .filter(task_events::tenant_id.eq(self.tenant.as_str()))
            .filter(task_events::at.lt(before))
            .order(task_events::at)
            .limit(most)
            .select((task_events::task_id, task_events::event_id));
        let old: Vec<(String, i64)> = self
            .db
            .run(async |connection| old.load(connection).await)
            .await?;
        let (task_ids, event_ids): (Vec<_>, Vec<_>) = old.into_iter().unzip();
        if event_ids.is_empty() {
            return Ok(0);
        }
        // DELETE has no LIMIT: the index by time found the events, and the primary key deletes
        // them.
        let clean = sql_query(
            "DELETE FROM task_events e USING unnest($2, $3) AS old (task_id, event_id)
             WHERE e.tenant_id = $1 AND e.task_id = old.task_id AND e.event_id = old.event_id",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Array<Text>, _>(task_ids)
        .bind::<Array<BigInt>, _>(event_ids);
        self.db
            .run(async |connection| clean.execute(connection).await)
            .await
    }
}
