//! The list: total and page of one filter and order, as ONE statement, so from one snapshot and in one round trip.
//!
//! ```sql
//! SELECT c.total, statement_timestamp(), (…the tasks of each status…), p.*
//! FROM (…the total…) c LEFT JOIN LATERAL (…the page…) p ON true ORDER BY p.start_time, p.task_id
//! ```
//!
//! The total comes from the counts that migration `task_counts` keeps, where these have it: any statuses, any range on
//! start_time. All other totals count what matches, from an index alone. So do the tasks of each status, where the
//! caller asks for them: one column more, an array of six, of a sub-select that runs once.
//!
//! The page is found in one of five ways, chosen so that an index leads to it and never by PostgreSQL's guess about
//! values it does not know (plans are generic):
//!
//! - **walk**: one index holds the list in its order: one status, or none in a documented order. Read it from the page
//!   on.
//! - **merge**: several statuses, each of which an index holds in order: take what leads up to the page's end from
//!   each, sort, cut. A page far down one status is found so too, since this looks at keys alone.
//!   A scan over all statuses that drops the unwanted would read ten million tasks to find five running ones.
//! - **gather**: the range of time is on another field than the order: take all that the range's index gives, sort,
//!   cut. The cost follows what matches, as that of the total does.
//! - **few**: the filter names ids, a customer, or a part of the name. Look up the tasks that have it, once; total, counts
//!   and page come from those that match the rest of the filter. The cost follows how many have it.
//! - **seek**: a page far down a list whose order has counts: they lead to a key close before it, and from there it is
//!   a walk or a merge, upwards; the direction is the outer order's affair.
//!
//! A caller that wants no total is spared it, unless the way begins there: a seek, and a merge from a page number.
//!
//! All but walk look for keys alone (index-only where the index has them) and then fetch the page's rows.
//!
//! diesel's query builder has no row comparison, no LATERAL and no array slice, so the statement is written here as
//! SQL text; every value is a bind.

pub mod export;
mod few;
pub(super) mod matching;
mod page;
mod range;
mod total;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Integer, Nullable, Timestamptz},
};

use self::{few::Few, matching::numbers, range::Range};
use super::row::{COLUMNS, TaskRow, TaskSql};
use crate::domain::{
    filter::{OrderBy, TaskFilter, TaskOrder},
    list::{CountMode, ListQuery},
    page::{Position, Start},
    status::StatusSet,
    tenant::TenantId,
};

/// A page is sought by the counts when this many tasks lie before it; nearer ones are faster walked to.
const SEEK_FROM: i64 = 256;

/// One statement that answers a [`ListQuery`] of one tenant.
///
/// It asks for one task more than the page holds: that there is one means that there is a next page.
#[derive(Debug)]
pub struct ListStatement<'a> {
    tenant: &'a str,
    /// The wanted statuses; all six where the filter names none, for the indexes that begin with the status.
    statuses: Vec<i16>,
    any_status: bool,
    range: Option<Range>,
    /// Those that have what few tasks have, where the filter asks for that.
    few: Option<Few<'a>>,
    count: CountMode,
    /// The same for every status, where these are to be counted.
    each: Option<Each>,
    order: TaskOrder,
    after: Option<&'a Position>,
    offset: i64,
    /// The page and one task more.
    rows: i64,
    /// What each status gives at most to a merge.
    rows_each: i64,
    target_limit: i32,
}

/// All six statuses, and the filter's range of time held against their tasks.
#[derive(Debug)]
struct Each {
    statuses: Vec<i16>,
    range: Option<Range>,
}

/// What the statement answers: total, as_of, tasks of each status if asked for, and a task unless the page is empty.
pub(super) type Row = (
    Option<i64>,
    DateTime<Utc>,
    Option<Vec<i64>>,
    Option<TaskRow>,
);

/// How the page is found; see the module's comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Walk,
    Merge,
    Gather,
    Seek,
    Few,
}

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
        } = query;
        // The rest of the filter is for the few.
        let TaskFilter { statuses, date, .. } = filter;
        let (offset, after) = match start {
            Start::Offset(offset) => (*offset, None),
            Start::After(position) => (0, Some(position)),
        };
        let any_status = statuses.is_all();
        let statuses = numbers(*statuses);
        let rows = limit + 1;
        Self {
            tenant: tenant.as_str(),
            any_status,
            range: date.map(|filter| Range::new(filter, &statuses)),
            statuses,
            few: Few::new(filter, *status_counts),
            count: *count,
            each: status_counts.then(|| {
                let statuses = numbers(StatusSet::default());
                Each {
                    range: date.map(|filter| Range::new(filter, &statuses)),
                    statuses,
                }
            }),
            order: *order,
            after,
            offset,
            rows,
            rows_each: offset.saturating_add(rows),
            target_limit: *target_limit,
        }
    }

    fn way(&self) -> Way {
        if self.few.is_some() {
            return Way::Few;
        }
        let column = match &self.range {
            Some(Range::Window(..)) => return Way::Gather,
            Some(Range::Column(column, ..)) => Some(*column),
            None => None,
        };
        let has_counts = match self.order.by {
            OrderBy::StartTime => self.is_counted(),
            OrderBy::TaskId => column.is_none(),
            _ => false,
        };
        match self.order.by {
            _ if has_counts && self.offset >= SEEK_FROM => Way::Seek,
            by if column.is_some_and(|column| column != by.word()) => Way::Gather,
            _ if self.offset >= SEEK_FROM => Way::Merge,
            OrderBy::StartTime | OrderBy::TaskId if self.any_status => Way::Walk,
            _ if self.statuses.len() == 1 => Way::Walk,
            _ => Way::Merge,
        }
    }

    /// True where the caller wants the total, or the way to the page begins there.
    fn needs_total(&self) -> bool {
        self.count == CountMode::Exact
            || match self.way() {
                Way::Seek => true,
                Way::Merge => self.offset > 0,
                Way::Walk | Way::Gather | Way::Few => false,
            }
    }

    /// True where the counts have the total.
    fn is_counted(&self) -> bool {
        match &self.range {
            None => true,
            Some(Range::Column(column, ..)) => *column == "start_time",
            Some(Range::Window(..)) => false,
        }
    }
}

impl QueryFragment<Pg> for ListStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if let Some(few) = &self.few {
            few.push(self.tenant, self.order.by, &mut out)?;
        }
        out.push_sql("SELECT c.total, statement_timestamp(), ");
        self.push_each(&mut out)?;
        out.push_sql(", p.* FROM (");
        self.push_total(&mut out)?;
        out.push_sql(") c LEFT JOIN LATERAL (SELECT ");
        out.push_sql(COLUMNS);
        out.push_sql(", t.target[1:");
        out.push_bind_param::<Integer, _>(&self.target_limit)?;
        out.push_sql("] AS target");
        self.push_page(&mut out)?;
        out.push_sql(") p ON true");
        self.push_order(&mut out, "p");
        Ok(())
    }
}

impl Query for ListStatement<'_> {
    type SqlType = (
        Nullable<BigInt>,
        Timestamptz,
        Nullable<Array<BigInt>>,
        Nullable<TaskSql>,
    );
}

impl QueryId for ListStatement<'_> {
    // The text differs from query to query, so prepared statements are kept by text.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
