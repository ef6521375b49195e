//! The list: total and page of one filter and order, as ONE statement, so from one snapshot and in one round trip.
//!
//! ```sql
//! SELECT c.total, statement_timestamp(), (…the tasks of each status, and the sums of targets…), p.*
//! FROM (…the total…) c LEFT JOIN LATERAL (…the page…) p ON true
//! ```
//!
//! [`ListStatement::new`] makes all decisions and keeps them as data; nothing is decided while the
//! statement is written:
//!
//! 1. `Wanted` is the filter in SQL's terms: statuses, a range of time, and what to look tasks up by.
//! 2. `Strategy` says how the page is found. It follows from the filter, the order and how far down the page is.
//! 3. `Total` and `StatusCounts` say where the numbers come from: the count index (migration `task_counts`), which has
//!    them for any statuses and any range of start_time, created_at or end_time, or the tasks that match, counted in an
//!    index.
//! 4. `Page` is the order, the position and the size of the page, and the strategy.
//!
//! Each of these writes its own part of the statement, as a `Part` of the macro `sql!` (`db/sql.rs`): in it `{x}` is a
//! value or a part, and `[x]` a constant. The statement asks for one task more than the page holds, which shows whether
//! there is a next page.
//!
//! The join is a LEFT JOIN, so an empty page still has one row, with the total. Its left side is one row, and it has no
//! condition, so PostgreSQL can only join it by a nested loop, which returns the page in the page's own order. The same
//! holds for the rows that are fetched for the keys, because each lookup depends on its key. So only a page that is read
//! backwards is sorted at the end; a sort of 21 wide rows would take a tenth of the statement's time. The test `explain`
//! demands this form of the plans.
//!
//! The names in the statement: `c` is the row of the total, `k` the keys of the page (the values of its order, and the
//! task's id), `t` the tasks, `p` the page's rows, and `found` what a selective lookup found.
//!
//! | strategy | when | how | cost follows |
//! | --- | --- | --- | --- |
//! | scan | an index has the list in its order: one status, or any in an order by start_time or task_id; fewer than 1,024 tasks lie before the page | read the index from the page on | the page, and the keys before it |
//! | merge | no index has the list in its order, or 256 tasks (1,024 if one index has all) or more lie before the page, in an order that the count index does not know; an index has each status in the order | take the keys up to the page's end from each status, sort, cut | the page, and what lies before it |
//! | merge | the filter names one label, and no other lookup; the order is by start_time, and so is a range | the same, on the rows of the label in `task_labels` | the page, and what lies before it |
//! | sort | no index has both the range and the order | take all keys that the range's index gives, sort, cut | what matches |
//! | selective | the filter names ids, a customer, a part of the name, or labels, unless a merge has the one label | look up the tasks that have it, once, and take total, counts and page from those that match the rest of the filter | how many have it |
//! | seek | 256 tasks (1,024 if one index has all) or more lie before the page, in an order that the count index knows | let the counts lead to a key close before the page, and scan or merge from there; if the tenant's counts do not have the order yet, merge | the page |
//!
//! PostgreSQL plans these statements without the values (`plan_cache_mode = force_generic_plan`),
//! so its estimates cannot choose well. The strategy is chosen here, and each text leaves the
//! planner one index to take. A scan over all statuses that drops the unwanted ones would read ten
//! million tasks to find five running ones; a merge reads five.
//!
//! All strategies but scan find keys alone, in an index where one has them, and then fetch the rows of the page.
//!
//! diesel's query builder has no row comparison, no LATERAL and no array slice, so these statements are written with
//! `sql!`, and the test `statements` keeps their texts. Exports use the same strategies; see [`export`].

mod attention;
pub mod export;
mod kinds;
mod labelled;
mod matching;
mod page;
mod range;
mod selective;
mod sort;
mod strategy;
mod sums;
mod total;
mod wanted;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Nullable, Timestamptz},
};

pub(in crate::db) use self::sums::to_sums;
use self::{
    attention::AttentionCounts,
    page::Page,
    strategy::Strategy,
    sums::Sums,
    total::{StatusCounts, Total},
    wanted::{Reads, Wanted},
};

use super::{
    row::{COLUMNS, Targets, TaskRow, TaskSql},
    sql::{Part, sql, statement},
};
use crate::domain::{
    list::{CountMode, ListQuery},
    page::Start,
    tenant::TenantId,
};

/// One statement that answers a [`ListQuery`] of one tenant.
#[derive(Debug)]
pub struct ListStatement<'a> {
    page: Page<'a>,
    total: Total<'a>,
    numbers: Numbers<'a>,
    /// Most customer ids in each task.
    target_limit: i32,
}

/// The numbers that a caller may ask for besides the total, as one array, so that a list without them returns no more
/// columns.
#[derive(Debug)]
struct Numbers<'a> {
    status_counts: StatusCounts<'a>,
    sums: Sums<'a>,
    attention: AttentionCounts<'a>,
}

/// What the statement returns: total, as_of, the [`Numbers`] if asked for, and a task unless the page is empty.
pub(super) type Row = (
    Option<i64>,
    DateTime<Utc>,
    Option<Vec<i64>>,
    Option<TaskRow>,
);

impl<'a> ListStatement<'a> {
    /// The statement of `query` for `tenant`.
    pub fn new(tenant: &'a TenantId, query: &'a ListQuery) -> Self {
        let ListQuery {
            filter,
            order,
            start,
            limit,
            target_limit,
            count,
            status_counts,
            target_sums,
            attention_counts,
        } = query;
        let (offset, after) = match start {
            Start::Offset(offset) => (*offset, None),
            Start::After(position) => (0, Some(position)),
        };
        let wanted = Wanted::new(tenant, filter);
        let strategy = Strategy::choose(&wanted, *order, offset, Reads::of(query));
        // A seek, and a merge with an offset, need the total to find the page, even with CountMode::None.
        let needs_total = *count == CountMode::Exact || strategy.needs_total(offset);
        Self {
            total: match needs_total {
                true => Total::choose(&wanted, &strategy, offset, limit + 1),
                false => Total::Unneeded,
            },
            numbers: Numbers {
                status_counts: match status_counts {
                    true => StatusCounts::choose(&wanted, &strategy),
                    false => StatusCounts::Unneeded,
                },
                sums: match target_sums {
                    true => Sums::choose(&wanted, &strategy),
                    false => Sums::Unneeded,
                },
                attention: AttentionCounts::choose(&wanted, *attention_counts),
            },
            page: Page::new(&wanted, *order, strategy, after, offset, limit + 1),
            target_limit: *target_limit,
        }
    }
}

/// An expression: an array, or NULL if no number was asked for.
impl<'b> Part<'b> for &'b Numbers<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Numbers {
            status_counts,
            sums,
            attention,
        } = self;
        let mut before = "";
        if !matches!(status_counts, StatusCounts::Unneeded) {
            sql!(out, { status_counts })?;
            before = " || ";
        }
        if !matches!(sums, Sums::Unneeded) {
            sql!(out, [before] { sums })?;
            before = " || ";
        }
        match (attention, before) {
            (AttentionCounts::Unneeded, "") => sql!(out, "NULL::bigint[]"),
            (AttentionCounts::Unneeded, _) => Ok(()),
            (attention, before) => sql!(out, [before] { attention }),
        }
    }
}

impl QueryFragment<Pg> for ListStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            page,
            total,
            numbers,
            target_limit,
        } = self;
        let out = &mut out;
        sql!(out,
            {page.strategy.looked_up()}
            "SELECT c.total, statement_timestamp(), " {numbers} ", p.* FROM (" {total}
            ") c LEFT JOIN LATERAL (SELECT " [COLUMNS] {Targets(target_limit)} " AS target" {page}
            ") p ON true" {page.order_of_rows()}
        )
    }
}

statement!(ListStatement<'_>: (
    Nullable<BigInt>,
    Timestamptz,
    Nullable<Array<BigInt>>,
    Nullable<TaskSql>,
));
