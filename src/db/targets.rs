//! The targets of a task: reading.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Integer, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    TenantDb,
    keyset::Keyset,
    lookup::target_from,
    sql::{Constant, sql, statement},
};
use crate::{
    domain::{
        order::Direction,
        target::{Target, TargetCounts, TargetState},
    },
    error::{Error, Result},
};

/// A page of targets.
#[derive(Debug)]
pub struct TargetList {
    /// The task's counts, from the same snapshot.
    pub counts: TargetCounts,
    /// The targets, each with its position in the task's order.
    pub targets: Vec<(i32, Target)>,
    /// The time of the snapshot.
    pub as_of: DateTime<Utc>,
}

/// Lists targets of a task that are in some states.
///
/// Reads each state in the order of positions, as one index has it, and merges the states. The row comparison and the
/// order by both columns fit that index alone; without statistics the planner could take another one instead.
/// Of one customer it reads the one row that the index of customers has.
#[derive(Debug)]
struct TargetStatement<'a> {
    tenant: &'a str,
    task_id: &'a str,
    states: Vec<i16>,
    /// The only customer.
    customer: Option<&'a str>,
    /// The position before the first target.
    after: i32,
    /// Most targets.
    most: i64,
}

/// The time of the snapshot, the task's counts, and a target unless there is none.
type Row = (DateTime<Utc>, CountsRow, Option<TargetRow>);
/// All targets, and those answered, without an answer, busy, failed and skipped.
type CountsRow = (i32, i32, i32, i32, i32, i32);
/// Position, customer, state, attempt and time of the result.
type TargetRow = (i32, String, i16, i32, Option<DateTime<Utc>>);

impl QueryFragment<Pg> for TargetStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task_id,
            states,
            customer,
            after,
            most,
        } = self;
        let out = &mut out;
        sql!(
            out,
            "SELECT statement_timestamp(), t.target_count, t.targets_answered, t.targets_no_answer, t.targets_busy, \
                t.targets_failed, t.targets_skipped, p.* \
            FROM tasks t LEFT JOIN LATERAL ("
        )?;
        match customer {
            Some(customer) => {
                sql!(out,
                    "SELECT g.position, g.customer_id, g.state, g.attempt, g.result_at FROM (\
                        SELECT " {*customer} "::text AS customer_id, " {*task_id} "::text AS task_id) w CROSS JOIN LATERAL (\
                        SELECT * FROM task_targets g WHERE g.tenant_id = " {*tenant}
                )?;
                out.push_sql(&target_from("w.customer_id", "w.task_id"));
                sql!(out,
                    ") g WHERE g.task_id = w.task_id AND g.position > " {after} " AND g.state = ANY(" {&states[..]} ")"
                )?;
            }
            None => {
                let of_state = Keyset {
                    column: Some("state"),
                    unique: "position",
                    direction: Direction::Ascending,
                };
                sql!(out,
                    "SELECT g.* FROM unnest(" {&states[..]} ") AS s (of_state) CROSS JOIN LATERAL (\
                        SELECT g.position, g.customer_id, g.state, g.attempt, g.result_at FROM task_targets g \
                        WHERE g.tenant_id = " {*tenant} " AND g.task_id = " {*task_id}
                        {of_state.after("g", Constant("s.of_state"), after)} " AND g.state <= s.of_state"
                        {of_state.order("g")} " LIMIT " {most} ") g \
                    ORDER BY g.position LIMIT " {most}
                )?;
            }
        }
        sql!(out, ") p ON true WHERE t.tenant_id = " {*tenant} " AND t.task_id = " {*task_id} " ORDER BY p.position")
    }
}

statement!(TargetStatement<'_>: (
    Timestamptz,
    (Integer, Integer, Integer, Integer, Integer, Integer),
    Nullable<(Integer, Text, SmallInt, Integer, Nullable<Timestamptz>)>,
));

impl TenantDb<'_> {
    /// At most `most` targets of a task that are in one of `states`, after the position `after`, or only that of a customer;
    /// `None` if there is no such task.
    pub async fn target_list(
        &self,
        task_id: &str,
        states: &[TargetState],
        customer: Option<&str>,
        after: i32,
        most: i64,
    ) -> Result<Option<TargetList>> {
        let list = TargetStatement {
            tenant: self.tenant.as_str(),
            task_id,
            states: states.iter().map(|s| *s as i16).collect(),
            customer,
            after,
            most,
        };
        let rows: Vec<Row> = self
            .run("targets", async |connection| list.load(connection).await)
            .await?;
        let [(as_of, counts, _), ..] = rows.as_slice() else {
            return Ok(None);
        };
        let (target_count, answered, no_answer, busy, failed, skipped) = *counts;
        let counts =
            TargetCounts::of_results(target_count, [answered, no_answer, busy, failed, skipped]);
        let as_of = *as_of;
        // A task without such targets has one row, without a target.
        let targets = rows.into_iter().filter_map(|(_, _, target)| target);
        Ok(Some(TargetList {
            counts,
            targets: targets.map(to_target).collect::<Result<_>>()?,
            as_of,
        }))
    }
}

fn to_target(row: TargetRow) -> Result<(i32, Target)> {
    let (position, customer_id, state, attempt, time) = row;
    let target = Target {
        customer_id,
        state: to_state(state)?,
        attempt,
        time,
    };
    Ok((position, target))
}

/// The state that the database stores as `number`.
pub(super) fn to_state(number: i16) -> Result<TargetState> {
    TargetState::from_number(number.into())
        .ok_or_else(|| Error::internal(format!("the database holds a target in state {number}")))
}
