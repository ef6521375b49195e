//! All tasks with some statuses in a range of time, read from the one index that has them together.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    serialize::{self, Output, ToSql},
    sql_types::{Array, SmallInt, Timestamptz},
};

use super::{
    labelled::{Label, Source},
    range::{ColumnRange, Range, WindowRange, before_all},
    wanted::{RowFilter, Statuses},
};
use crate::{
    db::sql::{Part, sql},
    domain::{fields::OrderBy, words::Word},
};

/// All matching tasks, for a total and for a sort: the text after FROM, which ends with a WHERE.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matching<'a> {
    tenant: &'a str,
    by: MatchBy<'a>,
}

/// The index that has them.
#[derive(Debug, Clone, Copy)]
enum MatchBy<'a> {
    /// An index that begins with the status, or with a label and the status, with the column of the range next.
    Status {
        label: Option<Label<'a>>,
        statuses: Statuses,
        range: Option<ColumnRange>,
    },
    /// The index on `tasks.window_class`.
    /// An overlap is a condition on two columns, and an index finds a range of one. A task's window
    /// class is its status and how long its window is. Within a class, a window that overlaps the
    /// range begins at most the longest window of the class before it, so that one range of
    /// start_time holds all of them and few others.
    WindowClass {
        classes: Classes,
        earliest: Earliest,
        window: WindowRange,
    },
}

impl<'a> Matching<'a> {
    pub(super) fn new(tenant: &'a str, rows: RowFilter) -> Self {
        let RowFilter { statuses, range } = rows;
        let by = match range {
            None => MatchBy::Status {
                label: None,
                statuses,
                range: None,
            },
            Some(Range::Column(range)) => MatchBy::Status {
                label: None,
                statuses,
                range: Some(range),
            },
            Some(Range::Window(window)) => MatchBy::WindowClass {
                classes: Classes(statuses),
                earliest: Earliest {
                    statuses,
                    start: window.start,
                },
                window,
            },
        };
        Self { tenant, by }
    }

    /// The tasks with a label. A range on another column than start_time is left out, since no index has both.
    pub(super) fn labelled(tenant: &'a str, rows: RowFilter, label: Label<'a>) -> Self {
        let RowFilter { statuses, range } = rows;
        let range = match range {
            Some(Range::Column(range)) if range.column == OrderBy::StartTime.word() => Some(range),
            None | Some(Range::Column(_) | Range::Window(_)) => None,
        };
        let by = MatchBy::Status {
            label: Some(label),
            statuses,
            range,
        };
        Self { tenant, by }
    }

    /// The SQL expression for the status of a matching task.
    pub(super) fn status(&self) -> &'static str {
        match self.by {
            MatchBy::Status { .. } => "s.status",
            // The index holds the status as a part of the class.
            MatchBy::WindowClass { .. } => "c.class / 16",
        }
    }
}

impl<'b> Part<'b> for &'b Matching<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Matching { tenant, by } = self;
        match by {
            // Status by status and in order, which only one index offers. If the planner had a choice, it could take an
            // index with the column after another one, and read all of the tenant's tasks through it.
            MatchBy::Status {
                label,
                statuses,
                range,
            } => {
                let source = Source {
                    tenant,
                    label: label.as_ref(),
                };
                sql!(out,
                    "unnest(" {statuses} ") AS s (status) CROSS JOIN LATERAL (SELECT * FROM " {source}
                    " AND t.status = s.status" {range.as_ref()}
                )?;
                if let Some(ColumnRange { column, .. }) = range {
                    sql!(out, " ORDER BY t." [column] ", t.task_id")?;
                }
                sql!(out, " OFFSET 0) t WHERE true")
            }
            // OFFSET 0 keeps PostgreSQL from merging the lookups, one per class, into a single scan of the table.
            MatchBy::WindowClass {
                classes,
                earliest,
                window: WindowRange { start, end },
            } => sql!(out,
                "unnest(" {classes} ", " {earliest} ") AS c (class, earliest) CROSS JOIN LATERAL \
                 (SELECT * FROM tasks t WHERE t.tenant_id = " {*tenant}
                " AND t.window_class = c.class AND t.start_time > c.earliest AND t.start_time < " {end}
                " AND t.end_time > " {start}
                " OFFSET 0) t WHERE true"
            ),
        }
    }
}

/// The maximum length of a window of each class, in seconds; the last class has no bound. As in `tasks.window_class`.
const LONGEST: [Option<i64>; 10] = [
    Some(3_600),
    Some(14_400),
    Some(57_600),
    Some(230_400),
    Some(921_600),
    Some(3_686_400),
    Some(14_745_600),
    Some(58_982_400),
    Some(235_929_600),
    None,
];

/// The values of `tasks.window_class` for windows of some statuses.
#[derive(Clone, Copy)]
struct Classes(Statuses);

/// The exclusive lower bound of start_time for each of these classes, in the same order: `start`
/// minus the longest window of the class.
#[derive(Clone, Copy)]
struct Earliest {
    statuses: Statuses,
    start: DateTime<Utc>,
}

impl Classes {
    fn values(self) -> Vec<i16> {
        let Self(statuses) = self;
        let of_status = |status: &i16| {
            // As in the column: sixteen numbers for each status, of which ten are used.
            let first = status * 16;
            (first..).take(LONGEST.len())
        };
        statuses.as_slice().iter().flat_map(of_status).collect()
    }
}

impl Earliest {
    fn values(self) -> Vec<DateTime<Utc>> {
        let Self { statuses, start } = self;
        let of_status = LONGEST.map(|longest| match longest {
            Some(seconds) => start - TimeDelta::seconds(seconds),
            None => before_all(),
        });
        // The bounds depend on the length alone, so they are the same for each status.
        of_status.repeat(statuses.as_slice().len())
    }
}

// The arrays are built when they are sent, so that a statement is built without an allocation.

impl ToSql<Array<SmallInt>, Pg> for Classes {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Array<SmallInt>, Pg>::to_sql(&self.values()[..], &mut out.reborrow())
    }
}

impl ToSql<Array<Timestamptz>, Pg> for Earliest {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Array<Timestamptz>, Pg>::to_sql(&self.values()[..], &mut out.reborrow())
    }
}

impl<'b> Part<'b> for &'b Classes {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<SmallInt>, _>(self)
    }
}

impl<'b> Part<'b> for &'b Earliest {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Timestamptz>, _>(self)
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.values().fmt(f)
    }
}

impl fmt::Debug for Earliest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.values().fmt(f)
    }
}
