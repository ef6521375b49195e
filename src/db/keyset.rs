//! Lists that are read page by page, by a key: the order, and the rows behind the last one of a page.
//!
//! A list of tasks, of targets or of events has a total order: a column, and a unique one behind it
//! for ties. The next page begins where a row comparison says, as
//! `(t.start_time, t.task_id) > ($1, $2)`: the one form that PostgreSQL turns into a position in an
//! index. `a > $1 OR a = $1 AND b > $2` reads everything that lies before.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::sql::{Part, sql};
use crate::domain::{order::Direction, words::Word};

/// A total order of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyset {
    /// The column that orders the rows; `None` where the unique column alone does.
    pub(super) column: Option<&'static str>,
    /// A column in which no two of the rows are equal.
    pub(super) unique: &'static str,
    /// The direction of both columns.
    pub(super) direction: Direction,
}

impl Keyset {
    /// The columns of the table `of`, as `t.start_time, t.task_id`.
    pub(super) fn columns(self, of: &'static str) -> Columns {
        Columns { keyset: self, of }
    }

    /// `ORDER BY` both columns of the table `of`.
    pub(super) fn order(self, of: &'static str) -> Order {
        Order { keyset: self, of }
    }

    /// The condition, beginning with AND, that rows of the table `of` are the row of the table `from` or lie behind it.
    pub(super) fn from(self, of: &'static str, from: &'static str) -> AtOrAfter {
        AtOrAfter {
            columns: self.columns(of),
            from: self.columns(from),
        }
    }

    /// The condition, beginning with AND, that rows of the table `of` lie behind the one with these
    /// values. `value` counts only where a column stands before the unique one.
    pub(super) fn after<V, U>(self, of: &'static str, value: V, unique: U) -> After<V, U> {
        After {
            columns: self.columns(of),
            value,
            unique,
        }
    }
}

/// See [`Keyset::columns`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    keyset: Keyset,
    of: &'static str,
}

impl<'b> Part<'b> for Columns {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { keyset, of } = self;
        if let Some(column) = keyset.column {
            sql!(out, [of] "." [column] ", ")?;
        }
        sql!(out, [of] "." [keyset.unique])
    }
}

/// See [`Keyset::order`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    keyset: Keyset,
    of: &'static str,
}

impl<'b> Part<'b> for Order {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { keyset, of } = self;
        let direction = keyset.direction.word();
        sql!(out, " ORDER BY ")?;
        if let Some(column) = keyset.column {
            sql!(out, [of] "." [column] " " [direction] ", ")?;
        }
        sql!(out, [of] "." [keyset.unique] " " [direction])
    }
}

/// See [`Keyset::from`].
#[derive(Debug, Clone, Copy)]
pub(super) struct AtOrAfter {
    columns: Columns,
    from: Columns,
}

impl<'b> Part<'b> for AtOrAfter {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { columns, from } = self;
        let comparison = match columns.keyset.direction {
            Direction::Ascending => ") >= (",
            Direction::Descending => ") <= (",
        };
        sql!(out, " AND (" {columns} [comparison] {from} ")")
    }
}

/// See [`Keyset::after`].
#[derive(Debug, Clone, Copy)]
pub(super) struct After<V, U> {
    columns: Columns,
    value: V,
    unique: U,
}

impl<'b, V: Part<'b>, U: Part<'b>> Part<'b> for After<V, U> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            columns,
            value,
            unique,
        } = self;
        let comparison = match columns.keyset.direction {
            Direction::Ascending => ") > (",
            Direction::Descending => ") < (",
        };
        sql!(out, " AND (" {columns} [comparison])?;
        if columns.keyset.column.is_some() {
            sql!(out, {value} ", ")?;
        }
        sql!(out, {unique} ")")
    }
}
