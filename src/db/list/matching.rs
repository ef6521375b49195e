//! Where the tasks are that match a filter, and what tells one of them.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, SmallInt, Text, Timestamptz},
};

use super::{ListStatement, range::Range};
use crate::domain::{
    filter::DateFilter,
    status::{StatusSet, TaskStatus},
};

/// What a row `t` of tasks must be to have a filter's status and lie in its range of time, whatever led to the row. The
/// rest of a filter (customer, name, ids) says where to look.
#[derive(Debug)]
pub(in crate::db) struct RowFilter {
    statuses: Option<Vec<i16>>,
    range: Option<Range>,
}

impl RowFilter {
    /// The condition of these parts of a filter.
    pub(in crate::db) fn new(statuses: StatusSet, date: Option<DateFilter>) -> Self {
        let named = numbers(statuses);
        Self {
            range: date.map(|filter| Range::new(filter, &named)),
            statuses: (!statuses.is_all()).then_some(named),
        }
    }

    /// Adds the condition, beginning with AND where there is one, to a WHERE.
    pub(in crate::db) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { statuses, range } = self;
        if let Some(statuses) = statuses {
            push_statuses(statuses, out)?;
        }
        match range {
            Some(Range::Window(start, end, ..)) => {
                out.push_sql(" AND t.start_time < ");
                out.push_bind_param::<Timestamptz, _>(end)?;
                out.push_sql(" AND t.end_time > ");
                out.push_bind_param::<Timestamptz, _>(start)
            }
            Some(range) => push_range(range, out),
            None => Ok(()),
        }
    }
}

/// The statuses of a set one by one, all six where it filters nothing.
pub(super) fn numbers(statuses: StatusSet) -> Vec<i16> {
    let named: StatusSet = match statuses.is_all() {
        true => TaskStatus::ALL.into_iter().collect(),
        false => statuses,
    };
    named.iter().map(|s| s as i16).collect()
}

pub(super) fn push_statuses<'b>(
    statuses: &'b Vec<i16>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(" AND t.status = ANY (");
    out.push_bind_param::<Array<SmallInt>, _>(statuses)?;
    out.push_sql(")");
    Ok(())
}

/// The range of a column; nothing for one of windows, which [`ListStatement::push_matching`] alone can look up.
pub(super) fn push_range<'b>(range: &'b Range, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    if let Range::Column(column, operator, lower, upper) = range {
        for (operator, bound) in [(*operator, lower), ("<", upper)] {
            out.push_sql(" AND t.");
            out.push_sql(column);
            out.push_sql(operator);
            out.push_bind_param::<Timestamptz, _>(bound)?;
        }
    }
    Ok(())
}

impl ListStatement<'_> {
    /// `FROM` and `WHERE` of all tasks that match, for the total and for gathering.
    pub(super) fn push_matching<'b>(
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
            if let Some(range) = range {
                push_range(range, out)?;
            }
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
}
