//! The part of the list's statement that counts: the total, and the tasks of each status.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, SmallInt, Text, Timestamptz},
};

use super::{
    Each, ListStatement, Way,
    matching::push_statuses,
    range::{Range, after_all, before_all},
};

/// Whose tasks are counted: those of the filter's statuses together, or those of `s.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Filter,
    Each,
}

impl ListStatement<'_> {
    /// The total, or NULL where nobody needs it; where the counts have it, also how many of the tasks come before the range and before its end, how
    /// many of those in it before the page, and how many are the page's.
    pub(super) fn push_total<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if !self.needs_total() {
            out.push_sql("SELECT NULL::bigint AS total");
            return Ok(());
        }
        if self.way() == Way::Few {
            out.push_sql("SELECT count(*) AS total FROM few t WHERE true");
            return match self.any_status {
                true => Ok(()),
                false => push_statuses(&self.statuses, out),
            };
        }
        if !self.is_counted() {
            out.push_sql("SELECT count(*) AS total FROM ");
            return self.push_matching(&self.statuses, self.range.as_ref(), out);
        }
        if self.way() != Way::Seek {
            out.push_sql("SELECT b.last - b.first AS total FROM ");
            return self.push_bounds(Of::Filter, out);
        }
        out.push_sql("SELECT c.*, least(c.total - c.before, ");
        out.push_bind_param::<BigInt, _>(&self.rows)?;
        out.push_sql(
            ") AS rows FROM (SELECT b.*, b.last - b.first AS total, least(b.last - b.first, ",
        );
        out.push_bind_param::<BigInt, _>(&self.offset)?;
        out.push_sql(") AS before FROM ");
        self.push_bounds(Of::Filter, out)?;
        out.push_sql(") c");
        Ok(())
    }

    /// The tasks of each status as an array, or NULL.
    pub(super) fn push_each<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Some(Each { statuses, range }) = &self.each else {
            out.push_sql("NULL::bigint[]");
            return Ok(());
        };
        out.push_sql("(SELECT array_agg(coalesce(n.count, 0) ORDER BY s.status) FROM unnest(");
        out.push_bind_param::<Array<SmallInt>, _>(statuses)?;
        out.push_sql(") AS s (status) ");
        if self.way() == Way::Few {
            out.push_sql(
                "LEFT JOIN (SELECT t.status, count(*) AS count FROM few t GROUP BY 1) n ON n.status = s.status)",
            );
            return Ok(());
        }
        if self.is_counted() {
            out.push_sql("CROSS JOIN LATERAL (SELECT b.last - b.first AS count FROM ");
            self.push_bounds(Of::Each, out)?;
            out.push_sql(") n)");
            return Ok(());
        }
        out.push_sql("LEFT JOIN (SELECT ");
        // The index of windows holds the status as a part of their class.
        let status = match range {
            Some(Range::Window(..)) => "c.class / 16",
            _ => "s.status",
        };
        out.push_sql(&format!("{status} AS status, count(*) AS count FROM "));
        self.push_matching(statuses, range.as_ref(), out)?;
        out.push_sql(" GROUP BY 1) n ON n.status = s.status)");
        Ok(())
    }

    fn push_bounds<'b>(&'b self, of: Of, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let (lower, upper) = match &self.range {
            Some(Range::Column(_, _, lower, upper)) => (Some(lower), Some(upper)),
            _ => (None, None),
        };
        out.push_sql("(SELECT ");
        match lower.filter(|t| **t > before_all()) {
            None => out.push_sql("0::bigint"),
            Some(lower) => self.push_rank(of, lower, out)?,
        }
        out.push_sql(" AS first, ");
        match upper.filter(|t| **t < after_all()) {
            None => {
                out.push_sql("task_total(");
                self.push_counted(of, out)?;
                out.push_sql(")");
            }
            Some(upper) => self.push_rank(of, upper, out)?,
        }
        // OFFSET 0 keeps PostgreSQL from asking again for each row of the page.
        out.push_sql(" AS last OFFSET 0) b");
        Ok(())
    }

    fn push_rank<'b>(
        &'b self,
        of: Of,
        before: &'b DateTime<Utc>,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        out.push_sql("task_rank(");
        self.push_counted(of, out)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(before)?;
        out.push_sql(")");
        Ok(())
    }

    /// Tenant and statuses, as the functions of the counts take them.
    fn push_counted<'b>(&'b self, of: Of, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Text, _>(self.tenant)?;
        out.push_sql(", ");
        match of {
            Of::Filter => out.push_bind_param::<Array<SmallInt>, _>(&self.statuses),
            Of::Each => {
                out.push_sql("ARRAY[s.status]");
                Ok(())
            }
        }
    }
}
