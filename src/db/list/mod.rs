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
//! The page is found in one of four ways, chosen so that an index leads to it and never by PostgreSQL's guess about
//! values it does not know (plans are generic):
//!
//! - **walk**: one index holds the list in its order: one status, or none in a documented order. Read it from the page
//!   on.
//! - **merge**: several statuses, each of which an index holds in order: take what leads up to the page's end from
//!   each, sort, cut. A page far down one status is found so too, since this looks at keys alone.
//!   A scan over all statuses that drops the unwanted would read ten million tasks to find five running ones.
//! - **gather**: the range of time is on another field than the order: take all that the range's index gives, sort,
//!   cut. The cost follows what matches, as that of the total does.
//! - **seek**: a page far down a list whose order has counts: they lead to a key close before it, and from there it is
//!   a walk or a merge, upwards; the direction is the outer order's affair.
//!
//! All but walk look for keys alone (index-only where the index has them) and then fetch the page's rows.
//!
//! diesel's query builder has no row comparison, no LATERAL and no array slice, so the statement is written here as
//! SQL text; every value is a bind.

pub mod export;
mod range;
mod total;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text, Timestamptz},
};

use self::range::Range;
use super::row::{COLUMNS, TaskRow, TaskSql};
use crate::domain::{
    filter::{Direction, OrderBy, TaskFilter, TaskOrder},
    list::ListQuery,
    page::{Position, SortValue, Start},
    status::{StatusSet, TaskStatus},
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
pub(super) type Row = (i64, DateTime<Utc>, Option<Vec<i64>>, Option<TaskRow>);

/// How the page is found; see the module's comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Walk,
    Merge,
    Gather,
    Seek,
}

impl<'a> ListStatement<'a> {
    /// The statement of `query` for `tenant`.
    pub fn new(tenant: &'a TenantId, query: &'a ListQuery) -> Self {
        let ListQuery {
            filter: TaskFilter { statuses, date },
            order,
            start,
            limit,
            target_limit,
            status_counts,
        } = query;
        let (offset, after) = match start {
            Start::Offset(offset) => (*offset, None),
            Start::After(position) => (0, Some(position)),
        };
        let any_status = statuses.is_all();
        let named: StatusSet = if any_status {
            TaskStatus::ALL.into_iter().collect()
        } else {
            *statuses
        };
        let statuses: Vec<i16> = named.iter().map(|s| s as i16).collect();
        let rows = limit + 1;
        Self {
            tenant: tenant.as_str(),
            any_status,
            range: date.map(|filter| Range::new(filter, &statuses)),
            statuses,
            each: status_counts.then(|| {
                let statuses: Vec<i16> = TaskStatus::ALL.iter().map(|s| *s as i16).collect();
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

    /// True where the counts have the total.
    fn is_counted(&self) -> bool {
        match &self.range {
            None => true,
            Some(Range::Column(column, ..)) => *column == "start_time",
            Some(Range::Window(..)) => false,
        }
    }

    /// `FROM` and what follows it, for a page that the counts lead to; `c` is the total's row.
    fn push_sought<'b>(&'b self, key: &str, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" FROM task_seek(");
        out.push_bind_param::<Text, _>(self.tenant)?;
        out.push_sql(match self.order.by {
            OrderBy::TaskId => ", 2::smallint, ",
            _ => ", 1::smallint, ",
        });
        out.push_bind_param::<Array<SmallInt>, _>(&self.statuses)?;
        out.push_sql(match self.order.direction {
            Direction::Ascending => ", c.first + c.before) n",
            Direction::Descending => ", c.last - c.before - c.rows) n",
        });
        out.push_sql(" CROSS JOIN LATERAL (SELECT k.* FROM ");
        if !self.any_status {
            out.push_sql("unnest(");
            out.push_bind_param::<Array<SmallInt>, _>(&self.statuses)?;
            out.push_sql(") AS s (status) CROSS JOIN LATERAL ");
        }
        out.push_sql("(SELECT ");
        out.push_sql(key);
        out.push_sql("t.task_id FROM tasks t WHERE t.tenant_id = ");
        out.push_bind_param::<Text, _>(self.tenant)?;
        if !self.any_status {
            out.push_sql(" AND t.status = s.status");
        }
        out.push_sql(match self.order.by {
            OrderBy::TaskId => " AND t.task_id >= n.task_id",
            _ => " AND (t.start_time, t.task_id) >= (n.start_time, n.task_id)",
        });
        let order = format!(" ORDER BY {}t.task_id", key);
        out.push_sql(&order);
        out.push_sql(" LIMIT n.skip + c.rows) k");
        out.push_sql(&order.replace("t.", "k."));
        out.push_sql(" LIMIT c.rows OFFSET n.skip) k JOIN tasks t ON t.task_id = k.task_id AND t.tenant_id = ");
        out.push_bind_param::<Text, _>(self.tenant)
    }

    /// `FROM` and `WHERE` of all tasks that match, for the total and for gathering.
    fn push_matching<'b>(
        &'b self,
        statuses: &'b Vec<i16>,
        range: Option<&'b Range>,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        let Some(Range::Window(start, end, classes, earliest)) = range else {
            // Status by status and in order, which one index alone offers: a planner that may choose takes one that
            // holds the column behind something else, and reads all of the tenant through it.
            out.push_sql("unnest(");
            out.push_bind_param::<Array<SmallInt>, _>(statuses)?;
            out.push_sql(
                ") AS s (status) CROSS JOIN LATERAL (SELECT * FROM tasks t WHERE t.tenant_id = ",
            );
            out.push_bind_param::<Text, _>(self.tenant)?;
            out.push_sql(" AND t.status = s.status");
            self.push_range(out)?;
            if let Some(Range::Column(column, ..)) = range {
                out.push_sql(&format!(" ORDER BY t.{column}, t.task_id"));
            }
            out.push_sql(" OFFSET 0) t WHERE true");
            return Ok(());
        };
        out.push_sql("unnest(");
        out.push_bind_param::<Array<SmallInt>, _>(classes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(earliest)?;
        out.push_sql(
            ") AS c (class, earliest) CROSS JOIN LATERAL \
             (SELECT * FROM tasks t WHERE t.tenant_id = ",
        );
        out.push_bind_param::<Text, _>(self.tenant)?;
        out.push_sql(
            " AND t.window_class = c.class AND t.start_time > c.earliest AND t.start_time < ",
        );
        out.push_bind_param::<Timestamptz, _>(end)?;
        out.push_sql(" AND t.end_time > ");
        out.push_bind_param::<Timestamptz, _>(start)?;
        // OFFSET 0 keeps PostgreSQL from turning the look-ups, class by class, into one scan of the table.
        out.push_sql(" OFFSET 0) t WHERE true");
        Ok(())
    }

    fn push_range<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if let Some(Range::Column(column, operator, lower, upper)) = &self.range {
            for (operator, bound) in [(*operator, lower), ("<", upper)] {
                out.push_sql(" AND t.");
                out.push_sql(column);
                out.push_sql(operator);
                out.push_bind_param::<Timestamptz, _>(bound)?;
            }
        }
        Ok(())
    }

    /// What lies after the token's place, as a row comparison: the one form that an index can seek to.
    fn push_after<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Some(Position { value, task_id }) = self.after else {
            return Ok(());
        };
        out.push_sql(" AND (");
        out.push_sql(match self.order.by {
            OrderBy::TaskId => "t.task_id",
            OrderBy::StartTime => "t.start_time, t.task_id",
            OrderBy::EndTime => "t.end_time, t.task_id",
            OrderBy::CreatedAt => "t.created_at, t.task_id",
            OrderBy::UpdatedAt => "t.updated_at, t.task_id",
            OrderBy::Name => "t.name, t.task_id",
            OrderBy::Progress => "t.progress, t.task_id",
        });
        out.push_sql(match self.order.direction {
            Direction::Ascending => ") > (",
            Direction::Descending => ") < (",
        });
        match value {
            SortValue::Time(time) => out.push_bind_param::<Timestamptz, _>(time)?,
            SortValue::Name(name) => out.push_bind_param::<Text, _>(name)?,
            SortValue::Progress(progress) => out.push_bind_param::<SmallInt, _>(progress)?,
            SortValue::TaskId => {}
        }
        if *value != SortValue::TaskId {
            out.push_sql(", ");
        }
        out.push_bind_param::<Text, _>(task_id)?;
        out.push_sql(")");
        Ok(())
    }

    fn push_order(&self, out: &mut AstPass<'_, '_, Pg>, table: &str) {
        let direction = self.order.direction.word();
        out.push_sql(" ORDER BY ");
        if self.order.by != OrderBy::TaskId {
            out.push_sql(&format!("{table}.{} {direction}, ", self.order.by.word()));
        }
        out.push_sql(&format!("{table}.task_id {direction}"));
    }

    /// The cut of the page itself, behind its order.
    fn push_cut<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows)?;
        if self.offset > 0 {
            out.push_sql(" OFFSET ");
            out.push_bind_param::<BigInt, _>(&self.offset)?;
        }
        Ok(())
    }

    /// `FROM` and what follows it: the page's rows, as `t`.
    fn push_page<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The key that orders the list, and the id, which is all of it where the list is ordered by id.
        let key = match self.order.by {
            OrderBy::TaskId => String::new(),
            by => format!("t.{}, ", by.word()),
        };
        match self.way() {
            Way::Seek => return self.push_sought(&key, out),
            Way::Walk => {
                out.push_sql(" FROM tasks t WHERE t.tenant_id = ");
                out.push_bind_param::<Text, _>(self.tenant)?;
                if !self.any_status {
                    out.push_sql(" AND t.status = ");
                    out.push_bind_param::<SmallInt, _>(&self.statuses[0])?;
                }
                self.push_range(out)?;
                self.push_after(out)?;
                self.push_order(out, "t");
                return self.push_cut(out);
            }
            Way::Merge => {
                out.push_sql(" FROM (SELECT k.* FROM unnest(");
                out.push_bind_param::<Array<SmallInt>, _>(&self.statuses)?;
                out.push_sql(") AS s (status) CROSS JOIN LATERAL (SELECT ");
                out.push_sql(&key);
                out.push_sql("t.task_id FROM tasks t WHERE t.tenant_id = ");
                out.push_bind_param::<Text, _>(self.tenant)?;
                out.push_sql(" AND t.status = s.status");
                self.push_range(out)?;
                self.push_after(out)?;
                self.push_order(out, "t");
                // Past the end there is nothing to walk to.
                out.push_sql(" LIMIT CASE WHEN c.total > ");
                out.push_bind_param::<BigInt, _>(&self.offset)?;
                out.push_sql(" THEN ");
                out.push_bind_param::<BigInt, _>(&self.rows_each)?;
                out.push_sql(" ELSE 0 END) k");
                self.push_order(out, "k");
            }
            Way::Gather => {
                out.push_sql(" FROM (SELECT k.* FROM (SELECT ");
                out.push_sql(&key);
                out.push_sql("t.task_id FROM ");
                self.push_matching(&self.statuses, self.range.as_ref(), out)?;
                self.push_after(out)?;
                // OFFSET 0 keeps PostgreSQL from walking the order's index in the hope of an early match.
                out.push_sql(" OFFSET 0) k");
                self.push_order(out, "k");
            }
        }
        self.push_cut(out)?;
        out.push_sql(") k JOIN tasks t ON t.task_id = k.task_id AND t.tenant_id = ");
        out.push_bind_param::<Text, _>(self.tenant)
    }
}

impl QueryFragment<Pg> for ListStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
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
        BigInt,
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
