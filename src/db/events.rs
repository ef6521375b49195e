//! Stores and reads the events of tasks: who changed what.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment},
    sql_query,
    sql_types::{Array, BigInt, Interval, Jsonb, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    TenantDb,
    clock::span,
    keyset::Keyset,
    schema::task_events,
    sql::{Constant, Part, sql, statement},
};
use crate::{
    domain::{
        event::{Change, EventKind, TaskEvent},
        limits::EVENT_CUSTOMERS,
        order::Direction,
        target::TargetState,
        words::Word,
    },
    error::{Error, Result},
};

/// New events, one for each changed task.
#[derive(Debug)]
pub struct NewEvents<'a> {
    /// The kind of the change.
    pub kind: EventKind,
    /// The key that makes the change; empty for the service itself.
    pub key_id: &'a str,
    /// The reason given for the change; may be empty.
    pub reason: &'a str,
    /// The ids of the tasks, each with its changed fields.
    pub tasks: Vec<(&'a str, Vec<Change>)>,
    /// The customers that the change is about.
    pub customers: EventCustomers<'a>,
}

/// The customers that the event of a task names.
#[derive(Debug, Default)]
pub enum EventCustomers<'a> {
    /// None, because the change is not about customers.
    #[default]
    None,
    /// These, of which only the first [`EVENT_CUSTOMERS`] are stored.
    Of(Vec<&'a str>),
    /// The first of those that this transaction has added to the only task, which begin at this position.
    AddedFrom(i32),
}

/// The part `noted` of a statement whose part `changed` returns `task_id` and `updated_at` of the
/// tasks that it changed. It stores an event for each, with the time that the change gave its task.
#[derive(Debug)]
pub(super) struct Noted<'a> {
    tenant: &'a str,
    kind: &'static str,
    key_id: &'a str,
    reason: &'a str,
    task_ids: Vec<&'a str>,
    /// The changed fields of each task, as JSON.
    changes: Vec<String>,
    named: Option<Named<'a>>,
}

/// The customers of an event, as a statement has them.
#[derive(Debug)]
enum Named<'a> {
    These(Vec<&'a str>),
    /// Those of the tenant's task that are behind this position.
    Behind {
        tenant: &'a str,
        position: i32,
    },
}

impl<'a> Noted<'a> {
    pub(super) fn new(tenant: &'a str, events: NewEvents<'a>) -> Result<Self> {
        let NewEvents {
            kind,
            key_id,
            reason,
            tasks,
            customers,
        } = events;
        let (task_ids, changes): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let changes = changes.iter().map(serde_json::to_string);
        Ok(Self {
            tenant,
            kind: kind.word(),
            key_id,
            reason,
            task_ids,
            changes: changes.collect::<Result<_, _>>().map_err(Error::internal)?,
            named: match customers {
                EventCustomers::None => None,
                EventCustomers::Of(mut ids) => {
                    ids.truncate(EVENT_CUSTOMERS);
                    Some(Named::These(ids))
                }
                EventCustomers::AddedFrom(first) => Some(Named::Behind {
                    tenant,
                    position: first - 1, // positions begin at 0
                }),
            },
        })
    }
}

/// The state of targets that were just added.
const PENDING: i16 = TargetState::Pending as i16;
const MOST_NAMED: i64 = EVENT_CUSTOMERS as i64;

impl<'b> Part<'b> for &'b Named<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Named::These(ids) => sql!(out, ", " {&ids[..]}),
            // Only the transaction that adds targets sees those behind the position, so all of them are pending. This is
            // the order of one index, as in lists of targets.
            Named::Behind { tenant, position } => {
                let order = Keyset {
                    column: Some("state"),
                    unique: "position",
                    direction: Direction::Ascending,
                };
                sql!(out,
                    ", (SELECT array_agg(a.customer_id ORDER BY a.position) FROM (\
                        SELECT g.customer_id, g.position FROM task_targets g WHERE g.tenant_id = " {*tenant}
                        " AND g.task_id = c.task_id" {order.after("g", &PENDING, position)} " AND g.state <= " {&PENDING}
                        {order.order("g")} " LIMIT " {&MOST_NAMED} ") a)"
                )
            }
        }
    }
}

impl<'b> Part<'b> for &'b Noted<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Noted {
            tenant,
            kind,
            key_id,
            reason,
            task_ids,
            changes,
            named,
        } = self;
        let column = match named {
            None => "",
            Some(_) => ", customer_ids",
        };
        sql!(out,
            ", noted AS (INSERT INTO task_events (tenant_id, at, key_id, reason, task_id, kind, changes" [column] ") \
                SELECT " {*tenant} ", c.updated_at, " {*key_id} ", " {*reason} ", c.task_id, " {*kind} ", e.changes::jsonb"
                {named.as_ref()} " FROM changed c JOIN unnest(" {&task_ids[..]} ", " {&changes[..]} ") AS e (task_id, changes) \
                    ON e.task_id = c.task_id)"
        )
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

/// An event: its id, time, key, kind, reason, changes, customers, and the name of the key.
type Row = (
    i64,
    DateTime<Utc>,
    String,
    String,
    String,
    serde_json::Value,
    Option<Vec<String>>,
    Option<String>,
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
            "SELECT e.event_id, e.at, e.key_id, e.kind, e.reason, e.changes, e.customer_ids, \
                (SELECT k.name FROM api_keys k WHERE k.tenant_id = " {*tenant} " AND k.key_id >= e.key_id \
                    AND k.key_id <= e.key_id ORDER BY k.key_id LIMIT 1) \
             FROM task_events e \
             WHERE e.tenant_id = " {*tenant} " AND e.task_id = " {*task_id}
            {after} {keyset.order("e")} " LIMIT " {most}
        )
    }
}

statement!(EventStatement<'_>: (
    BigInt, Timestamptz, Text, Text, Text, Jsonb, Nullable<Array<Text>>, Nullable<Text>,
));

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
            .run("events", async |connection| list.load(connection).await)
            .await?;
        let to_event =
            |(event_id, at, key_id, kind, reason, changes, customer_ids, key_name): Row| {
                Ok(TaskEvent {
                    event_id,
                    at,
                    key_id,
                    key_name: key_name.unwrap_or_default(),
                    kind: EventKind::from_word(&kind).ok_or_else(|| {
                        Error::internal(format!("the database holds an event of the kind {kind}"))
                    })?,
                    reason,
                    changes: serde_json::from_value(changes).map_err(Error::internal)?,
                    // Services from before this column store none.
                    customer_ids: customer_ids.unwrap_or_default(),
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
            .run_own(async |connection| old.load(connection).await)
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
        self.run_own(async |connection| clean.execute(connection).await)
            .await
    }
}
