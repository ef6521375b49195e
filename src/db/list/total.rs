//! The part of the list's statement that counts: the total, and the tasks of each status.

use chrono::{DateTime, Utc};
use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::{
    labelled::LabelTotal,
    matching::Matching,
    sort::Sort,
    strategy::Strategy,
    wanted::{Counted, Statuses, Wanted},
};
use crate::db::sql::{Part, sql};

/// The source of the total.
#[derive(Debug)]
pub(super) enum Total<'a> {
    /// Neither the caller nor the page needs it.
    Unneeded,
    /// The count index.
    Index(Bounds<'a>),
    /// The count index, which also finds the page.
    Seek {
        bounds: Bounds<'a>,
        offset: i64,
        rows: i64,
    },
    /// The counts of a label.
    Label(LabelTotal<'a>),
    /// A count of all matching tasks.
    Counted(Matching<'a>),
    /// A count of the tasks that were looked up.
    LookedUp(Statuses),
}

/// The source of the numbers of tasks in each status, whatever statuses the filter has.
#[derive(Debug)]
pub(super) enum StatusCounts<'a> {
    /// The caller does not need them.
    Unneeded,
    /// The count index.
    Index { all: Statuses, bounds: Bounds<'a> },
    /// The counts of a label.
    Label {
        all: Statuses,
        total: LabelTotal<'a>,
    },
    /// A count of all matching tasks.
    Counted {
        all: Statuses,
        matching: Matching<'a>,
    },
    /// A count of the tasks that were looked up.
    LookedUp { all: Statuses },
}

/// A range of time for the count index, which counts the tasks before the range and those before its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    tenant: &'a str,
    /// Statuses whose counts are added up; `None` counts one status, `s.status` of the enclosing query.
    statuses: Option<Statuses>,
    /// The sort that the range is in; `None` if there is no range and no page is sought.
    sort: Option<Sort>,
    lower: Option<DateTime<Utc>>,
    upper: Option<DateTime<Utc>>,
}

impl<'a> Total<'a> {
    /// The total for a page of `rows` tasks after `offset` others.
    pub(super) fn choose(
        wanted: &Wanted<'a>,
        strategy: &Strategy<'a>,
        offset: i64,
        rows: i64,
    ) -> Self {
        let Wanted {
            tenant,
            rows: filter,
            lookup: _,
        } = *wanted;
        match (strategy, Bounds::new(wanted, Some(filter.statuses))) {
            (Strategy::Selective(_), _) => Self::LookedUp(filter.statuses),
            (
                Strategy::Merge {
                    label: Some(label), ..
                },
                _,
            ) => match LabelTotal::new(tenant, *label, filter.range, Some(filter.statuses)) {
                Some(total) => Self::Label(total),
                None => Self::Counted(Matching::labelled(tenant, filter, *label)),
            },
            // A seek always has bounds: its range is on the column of the order, or absent.
            (Strategy::Seek { sort, .. }, Some(bounds)) => Self::Seek {
                bounds: bounds.in_sort(*sort),
                offset,
                rows,
            },
            // The count index also serves lists that sort or merge: the total does not depend on
            // the order.
            (_, Some(bounds)) => Self::Index(bounds),
            (_, None) => Self::Counted(Matching::new(tenant, filter)),
        }
    }
}

impl<'a> StatusCounts<'a> {
    pub(super) fn choose(wanted: &Wanted<'a>, strategy: &Strategy<'a>) -> Self {
        let all = Statuses::all();
        match (strategy, Bounds::new(wanted, None)) {
            (Strategy::Selective(_), _) => Self::LookedUp { all },
            (
                Strategy::Merge {
                    label: Some(label), ..
                },
                _,
            ) => {
                let Wanted { tenant, rows, .. } = *wanted;
                match LabelTotal::new(tenant, *label, rows.range, None) {
                    Some(total) => Self::Label { all, total },
                    None => Self::Counted {
                        all,
                        matching: Matching::labelled(tenant, rows.with_statuses(all), *label),
                    },
                }
            }
            (_, Some(bounds)) => Self::Index { all, bounds },
            (_, None) => Self::Counted {
                all,
                matching: Matching::new(wanted.tenant, wanted.rows.with_statuses(all)),
            },
        }
    }
}

impl<'a> Bounds<'a> {
    /// `None` if the count index does not have the range.
    fn new(wanted: &Wanted<'a>, statuses: Option<Statuses>) -> Option<Self> {
        let (sort, (lower, upper)) = wanted.rows.in_count_index()?;
        Some(Self {
            tenant: wanted.tenant,
            statuses,
            sort,
            lower,
            upper,
        })
    }

    /// The same range in the sort in which a page is sought.
    fn in_sort(self, sort: Sort) -> Self {
        Self {
            sort: Some(sort),
            ..self
        }
    }
}

/// A SELECT of one row with the `total`, or NULL. For a seek it also has the number of tasks before the range
/// (`first`), the number before its end (`last`), the number in the range before the page (`before`), and the number in
/// the page (`rows`). For a sort that can be absent it has `indexed` too: if false, `first` is 0, `last` is the total, and
/// the page must be found without the count index.
impl<'b> Part<'b> for &'b Total<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Total::Unneeded => sql!(out, "SELECT NULL::bigint AS total"),
            Total::Index(bounds) => sql!(out, "SELECT " {Within(bounds)}),
            Total::Label(total) => sql!(out, "SELECT " {total}),
            Total::Seek {
                bounds,
                offset,
                rows,
            } => sql!(out,
                "SELECT c.*, least(c.total - c.before, " {rows} ") AS rows FROM \
                 (SELECT b.*, b.last - b.first AS total, least(b.last - b.first, " {offset} ") AS before FROM "
                {bounds} ") c"
            ),
            Total::Counted(matching) => sql!(out, "SELECT count(*) AS total FROM " {matching}),
            Total::LookedUp(statuses) => sql!(out,
                "SELECT count(*) AS total FROM found t WHERE true" {statuses.condition()}
            ),
        }
    }
}

/// An expression: the numbers of tasks in each status as an array. The sub-select refers
/// to no column of the page, so PostgreSQL runs it once.
impl<'b> Part<'b> for &'b StatusCounts<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let all = match self {
            StatusCounts::Unneeded => return Ok(()),
            StatusCounts::Index { all, .. }
            | StatusCounts::Label { all, .. }
            | StatusCounts::Counted { all, .. }
            | StatusCounts::LookedUp { all } => all,
        };
        sql!(out,
            "(SELECT array_agg(coalesce(n.total, 0) ORDER BY s.status) FROM unnest(" {all} ") AS s (status) "
        )?;
        match self {
            StatusCounts::Unneeded => Ok(()),
            StatusCounts::Index { bounds, .. } => sql!(out,
                "CROSS JOIN LATERAL (SELECT " {Within(bounds)} ") n)"
            ),
            StatusCounts::Label { total, .. } => sql!(out,
                "CROSS JOIN LATERAL (SELECT " {total} ") n)"
            ),
            StatusCounts::Counted { matching, .. } => sql!(out,
                "LEFT JOIN (SELECT " [matching.status()] " AS status, count(*) AS total FROM " {matching}
                " GROUP BY 1) n ON n.status = s.status)"
            ),
            StatusCounts::LookedUp { .. } => sql!(
                out,
                "LEFT JOIN (SELECT t.status, count(*) AS total FROM found t GROUP BY 1) n ON n.status = s.status)"
            ),
        }
    }
}

/// The number of tasks in the range as `total`, for a SELECT of one row. OFFSET 0 keeps PostgreSQL from computing it again
/// for each row of the page.
#[derive(Debug)]
struct Within<'b>(&'b Bounds<'b>);

impl<'b> Part<'b> for Within<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.0 {
            Bounds {
                tenant,
                statuses,
                sort: _,
                lower: None,
                upper: None,
            } => {
                let statuses = statuses.as_ref();
                sql!(out, {All { tenant, statuses }} " AS total OFFSET 0")
            }
            bounds => sql!(out, "b.last - b.first AS total FROM " {bounds}),
        }
    }
}

/// A sub-select `b` of one row, see [`Within`].
impl<'b> Part<'b> for &'b Bounds<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Bounds {
            tenant,
            statuses,
            sort,
            lower,
            upper,
        } = self;
        let statuses = statuses.as_ref();
        if let Some(sort) = sort.filter(|sort| sort.can_be_absent()) {
            return sql!(out,
                "task_range(" {*tenant} ", " [sort.number()] ", " {Counted(statuses)} ", " {Bound(lower)} ", "
                {Bound(upper)} ") b"
            );
        }
        // Any range that is left is on start_time.
        sql!(out, "(SELECT ")?;
        match lower {
            None => sql!(out, "0::bigint")?,
            Some(lower) => sql!(out,
                "task_rank(" {*tenant} ", " {Counted(statuses)} ", " {lower} ")"
            )?,
        }
        sql!(out, " AS first, ")?;
        match upper {
            None => sql!(out, { All { tenant, statuses } })?,
            Some(upper) => sql!(out,
                "task_rank(" {*tenant} ", " {Counted(statuses)} ", " {upper} ")"
            )?,
        }
        sql!(out, " AS last OFFSET 0) b")
    }
}

/// The number of all tasks with these statuses, as the SQL function `task_total` computes it. Within the statement
/// PostgreSQL plans it once per connection, and a call of a function in PL/pgSQL costs more than this expression.
#[derive(Debug)]
struct All<'b> {
    tenant: &'b str,
    statuses: Option<&'b Statuses>,
}

impl<'b> Part<'b> for All<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, statuses } = self;
        sql!(out,
            "coalesce((SELECT task_segment_count(g, " {Counted(statuses)}
            ") FROM task_segments g WHERE g.tenant_id = " {tenant}
            " AND g.sort = 1 AND g.level = 3), 0) + coalesce((SELECT sum(task_change_count(d, " {Counted(statuses)}
            ")) FROM task_changes d WHERE d.tenant_id = " {tenant} "), 0)"
        )
    }
}

/// A bound of `task_range`; NULL for an open side.
#[derive(Debug, Clone, Copy)]
struct Bound<'b>(&'b Option<DateTime<Utc>>);

impl<'b> Part<'b> for Bound<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.0 {
            Some(bound) => bound.push(out),
            None => sql!(out, "NULL"),
        }
    }
}
