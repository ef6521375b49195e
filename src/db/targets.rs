//! The targets of a task: reading.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::TenantDb;
use crate::{
    domain::target::{Target, TargetCounts, TargetState},
    error::{Error, Result},
};

/// Reads each state in the order of positions, as one index has it, and merges the states. The row comparison and the
/// order by both columns fit that index alone; without statistics the planner could take another one instead.
const LIST: &str = "
    SELECT statement_timestamp() AS as_of, t.target_count, t.targets_answered, t.targets_no_answer, t.targets_busy,
        t.targets_failed, t.targets_skipped, p.*
    FROM tasks t LEFT JOIN LATERAL (
        SELECT g.* FROM unnest($3) AS s (of_state) CROSS JOIN LATERAL (
            SELECT g.position, g.customer_id, g.state, g.attempt, g.result_at FROM task_targets g
            WHERE g.tenant_id = $1 AND g.task_id = $2 AND (g.state, g.position) > (s.of_state, $4)
                AND g.state <= s.of_state
            ORDER BY g.state, g.position LIMIT $5) g
        ORDER BY g.position LIMIT $5) p ON true
    WHERE t.tenant_id = $1 AND t.task_id = $2 ORDER BY p.position";
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

#[derive(QueryableByName)]
struct ListRow {
    #[diesel(sql_type = Timestamptz)]
    as_of: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    target_count: i32,
    #[diesel(sql_type = Integer)]
    targets_answered: i32,
    #[diesel(sql_type = Integer)]
    targets_no_answer: i32,
    #[diesel(sql_type = Integer)]
    targets_busy: i32,
    #[diesel(sql_type = Integer)]
    targets_failed: i32,
    #[diesel(sql_type = Integer)]
    targets_skipped: i32,
    #[diesel(sql_type = Nullable<Integer>)]
    position: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    customer_id: Option<String>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    state: Option<i16>,
    #[diesel(sql_type = Nullable<Integer>)]
    attempt: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    result_at: Option<DateTime<Utc>>,
}

impl TenantDb<'_> {
    /// At most `most` targets of a task that are in one of `states`, after the position `after`; `None` if there is no
    /// such task.
    pub async fn target_list(
        &self,
        task_id: &str,
        states: &[TargetState],
        after: i32,
        most: i64,
    ) -> Result<Option<TargetList>> {
        let states: Vec<i16> = states.iter().map(|s| *s as i16).collect();
        let list = sql_query(LIST)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Text, _>(task_id)
            .bind::<Array<SmallInt>, _>(states)
            .bind::<Integer, _>(after)
            .bind::<BigInt, _>(most);
        let rows: Vec<ListRow> = self
            .db
            .run(async |connection| list.load(connection).await)
            .await?;
        let [first, ..] = rows.as_slice() else {
            return Ok(None);
        };
        let mut counts = TargetCounts {
            pending: 0,
            answered: first.targets_answered,
            no_answer: first.targets_no_answer,
            busy: first.targets_busy,
            failed: first.targets_failed,
            skipped: first.targets_skipped,
        };
        counts.pending = first.target_count - counts.total();
        let as_of = first.as_of;
        let targets: Result<Option<_>> = rows.into_iter().map(to_target).collect();
        Ok(Some(TargetList {
            counts,
            // A task without targets has one row.
            targets: targets?.unwrap_or_default(),
            as_of,
        }))
    }
}

fn to_target(row: ListRow) -> Result<Option<(i32, Target)>> {
    let ListRow {
        position: Some(position),
        customer_id: Some(customer_id),
        state: Some(state),
        attempt: Some(attempt),
        result_at,
        ..
    } = row
    else {
        return Ok(None);
    };
    let target = Target {
        customer_id,
        state: to_state(state)?,
        attempt,
        time: result_at,
    };
    Ok(Some((position, target)))
}

/// The state that the database stores as `number`.
pub(super) fn to_state(number: i16) -> Result<TargetState> {
    TargetState::from_number(number.into())
        .ok_or_else(|| Error::internal(format!("the database holds a target in state {number}")))
}
