//! The part of the list's statement that finds the page.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::{
    labelled::{Label, Source},
    range::ColumnRange,
    sort::Sort,
    strategy::Strategy,
    wanted::{Statuses, Wanted},
};
use crate::{
    db::{
        keyset::{After, Keyset, Order},
        lookup::RowOf,
        sql::{Part, sql},
    },
    domain::{
        fields::OrderBy,
        order::SortValue,
        order::{Direction, TaskOrder},
        page::Position,
        words::Word,
    },
};

/// The order of a list of tasks.
pub(super) fn keyset(order: TaskOrder) -> Keyset {
    let TaskOrder { by, direction } = order;
    Keyset {
        column: (by != OrderBy::TaskId).then_some(by.word()),
        unique: OrderBy::TaskId.word(),
        direction,
    }
}

/// A page of a list: which part, and how it is found.
#[derive(Debug)]
pub(super) struct Page<'a> {
    tenant: &'a str,
    keyset: Keyset,
    pub(super) strategy: Strategy<'a>,
    /// The page begins after this task.
    after: Option<&'a Position>,
    /// The page begins after this number of tasks.
    offset: i64,
    /// The maximum number of rows: the page's tasks and one more.
    rows: i64,
    /// The maximum number of keys that each status adds to a merge, including those before the page.
    rows_each: i64,
}

impl<'a> Page<'a> {
    /// The page of `rows` tasks, which is one more than the caller gets.
    pub(super) fn new(
        wanted: &Wanted<'a>,
        order: TaskOrder,
        strategy: Strategy<'a>,
        after: Option<&'a Position>,
        offset: i64,
        rows: i64,
    ) -> Self {
        Self {
            tenant: wanted.tenant,
            keyset: keyset(order),
            strategy,
            after,
            offset,
            rows,
            // A caller may ask for any page, so the sum can be beyond an i64.
            rows_each: offset.saturating_add(rows),
        }
    }

    /// The order of the rows, if they are not found in it.
    pub(super) fn order_of_rows(&self) -> Option<Order> {
        match (&self.strategy, self.keyset.direction) {
            (Strategy::Seek { .. }, Direction::Descending) => Some(self.keyset.order("p")),
            _ => None,
        }
    }

    /// LIMIT and OFFSET of the page itself, after its order.
    fn cut(&self) -> Cut<'_> {
        Cut {
            rows: &self.rows,
            offset: &self.offset,
        }
    }
}

type AfterPosition<'b> = After<&'b SortValue, &'b str>;

impl Page<'_> {
    /// The keys of the page, merged from those of each status.
    fn push_merge<'b>(
        &'b self,
        label: Option<&'b Label<'b>>,
        statuses: &'b Statuses,
        range: Option<&'b ColumnRange>,
        after: Option<AfterPosition<'b>>,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        let Page {
            tenant,
            keyset,
            offset,
            rows_each,
            ..
        } = self;
        sql!(out,
            "SELECT k.* FROM unnest(" {statuses} ") AS s (status) CROSS JOIN LATERAL \
             (SELECT " {keyset.columns("t")} " FROM " {Source { tenant, label }}
            " AND t.status = s.status" {range} {after} {keyset.order("t")}
        )?;
        // Any of the statuses can have all tasks up to the page's end, so each gives that many keys.
        if *offset == 0 {
            sql!(out, " LIMIT " {rows_each} ") k")?;
        } else {
            // Past the end of the list, nothing is read.
            sql!(out,
                " LIMIT CASE WHEN c.total > " {offset} " THEN " {rows_each} " ELSE 0 END) k"
            )?;
        }
        sql!(out, {keyset.order("k")} {self.cut()})
    }

    /// The keys of the page as `k`, read from a key shortly before it.
    ///
    /// The total's row `c` says how many tasks lie before the range (first), before its end (last), and in the range
    /// before the page (before), and how many the page has (rows). So the page's first task is the task number
    /// first + before of the whole order; of a descending page the last task comes first in the index. task_seek returns
    /// a key `n` close before that task, and how many tasks to skip from there.
    ///
    /// Reads ascending for both directions; `order_of_rows` reverses a descending page. The range needs no
    /// condition: task_seek starts inside it, and c.rows ends the page before its end.
    fn push_seek<'b>(
        &'b self,
        sort: Sort,
        statuses: &'b Statuses,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        let Page { tenant, keyset, .. } = self;
        let before = match keyset.direction {
            Direction::Ascending => ", c.first + c.before) n",
            Direction::Descending => ", c.last - c.before - c.rows) n",
        };
        sql!(out,
            "task_seek(" {*tenant} ", " [sort.number()] ", " {statuses} [before]
            " CROSS JOIN LATERAL (SELECT k.* FROM "
        )?;
        let by_status = !(statuses.are_all() && sort.has_index_of_all());
        if by_status {
            sql!(out, "unnest(" {statuses} ") AS s (status) CROSS JOIN LATERAL ")?;
        }
        sql!(out,
            "(SELECT " {keyset.columns("t")} " FROM tasks t WHERE t.tenant_id = " {*tenant}
        )?;
        if by_status {
            sql!(out, " AND t.status = s.status")?;
        }
        match keyset.column {
            None => sql!(out, " AND t.task_id >= n.task_id")?,
            // task_seek returns the time of any sort as start_time.
            Some(_) => sql!(out,
                " AND (" {keyset.columns("t")} ") >= (n.start_time, n.task_id)"
            )?,
        }
        sql!(out,
            " ORDER BY " {keyset.columns("t")} " LIMIT n.skip + c.rows) k"
            " ORDER BY " {keyset.columns("k")} " LIMIT c.rows OFFSET n.skip) k"
        )
    }
}

/// The text from `FROM` on: the page's rows as `t`. `c` is the row of the total.
impl<'b> Part<'b> for &'b Page<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Page {
            tenant,
            keyset,
            strategy,
            after,
            offset,
            rows,
            rows_each: _,
        } = self;
        let after =
            after.map(|Position { value, task_id }| keyset.after("t", value, task_id.as_str()));
        // The keys of the page are `k`; its rows come last.
        let row = RowOf {
            table: "tasks",
            task_id: "k.task_id",
            tenant,
        };
        match strategy {
            Strategy::Scan { status, range } => {
                let tasks = Scanned {
                    tenant,
                    status: status.as_ref(),
                    range: range.as_ref(),
                };
                if *offset == 0 {
                    return sql!(out, " FROM " {tasks} {after} {keyset.order("t")} {self.cut()});
                }
                // OFFSET would fetch each row that it skips. So the key `n` of the first task comes from the index alone,
                // and the rows are read from it on.
                sql!(out,
                    " FROM (SELECT " {keyset.columns("t")} " FROM " {tasks} {keyset.order("t")}
                    " LIMIT 1 OFFSET " {offset} ") n CROSS JOIN LATERAL (SELECT t.* FROM " {tasks}
                    {keyset.from("t", "n")} {keyset.order("t")} " LIMIT " {rows} ") t"
                )
            }
            Strategy::Merge {
                label,
                statuses,
                range,
            } => {
                sql!(out, " FROM (")?;
                self.push_merge(label.as_ref(), statuses, range.as_ref(), after, out)?;
                sql!(out, ") k CROSS JOIN LATERAL " {row} " t")
            }
            // Without the inner OFFSET 0 PostgreSQL could read the index of the order until it
            // meets a match, however late.
            Strategy::Sort(matching) => sql!(out,
                " FROM (SELECT k.* FROM (SELECT " {keyset.columns("t")} " FROM " {matching} {after}
                " OFFSET 0) k" {keyset.order("k")} {self.cut()} ") k CROSS JOIN LATERAL " {row} " t"
            ),
            Strategy::Seek {
                sort,
                statuses,
                range,
            } => {
                if sort.can_be_absent() {
                    // One of the two parts has a false condition, and PostgreSQL does not run it.
                    sql!(out, " FROM (SELECT k.* FROM ")?;
                    self.push_seek(*sort, statuses, out)?;
                    sql!(out, " WHERE c.indexed UNION ALL SELECT k.* FROM (")?;
                    self.push_merge(None, statuses, range.as_ref(), after, out)?;
                    sql!(out, ") k WHERE NOT c.indexed) k")?;
                } else {
                    sql!(out, " FROM ")?;
                    self.push_seek(*sort, statuses, out)?;
                }
                sql!(out, " CROSS JOIN LATERAL " {row} " t")
            }
            Strategy::Selective(selective) => sql!(out,
                " FROM (SELECT " {keyset.columns("t")} " FROM found t WHERE true"
                {selective.statuses.condition()} {after} {keyset.order("t")} {self.cut()}
                ") k CROSS JOIN LATERAL " {row} " t"
            ),
        }
    }
}

/// The tasks of a scan as `t`: the text after FROM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanned<'b> {
    pub(super) tenant: &'b str,
    pub(super) status: Option<&'b i16>,
    pub(super) range: Option<&'b ColumnRange>,
}

impl<'b> Part<'b> for Scanned<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            status,
            range,
        } = self;
        sql!(out, "tasks t WHERE t.tenant_id = " {tenant})?;
        if let Some(status) = status {
            sql!(out, " AND t.status = " {status})?;
        }
        sql!(out, { range })
    }
}

/// See [`Page::cut`].
#[derive(Debug, Clone, Copy)]
struct Cut<'b> {
    rows: &'b i64,
    offset: &'b i64,
}

impl<'b> Part<'b> for Cut<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { rows, offset } = self;
        sql!(out, " LIMIT " {rows})?;
        // Only if needed, so that first pages share one text and its plan.
        if *offset > 0 {
            sql!(out, " OFFSET " {offset})?;
        }
        Ok(())
    }
}

impl<'b> Part<'b> for &'b SortValue {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            SortValue::Time(time) => time.push(out),
            SortValue::Text(name) => name.as_str().push(out),
            SortValue::Number(progress) => progress.push(out),
            SortValue::TaskId => Ok(()),
        }
    }
}
