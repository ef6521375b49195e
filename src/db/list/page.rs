//! The part of the list's statement that finds the page.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, SmallInt, Text, Timestamptz},
};

use super::{
    ListStatement, Way,
    matching::{push_range, push_statuses},
};
use crate::{
    db::lookup::push_row,
    domain::{
        filter::{Direction, OrderBy},
        page::{Position, SortValue},
    },
};

impl ListStatement<'_> {
    /// `FROM` and what follows it: the page's rows, as `t`.
    pub(super) fn push_page<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The key that orders the list, and the id, which is all of it where the list is ordered by id.
        let key = match self.order.by {
            OrderBy::TaskId => String::new(),
            by => format!("t.{}, ", by.word()),
        };
        match self.way() {
            Way::Few => {
                out.push_sql(" FROM (SELECT ");
                out.push_sql(&key);
                out.push_sql("t.task_id FROM few t WHERE true");
                if !self.any_status {
                    push_statuses(&self.statuses, out)?;
                }
                self.push_after(out)?;
                self.push_order(out, "t");
            }
            Way::Seek => return self.push_sought(&key, out),
            Way::Walk => {
                out.push_sql(" FROM tasks t WHERE t.tenant_id = ");
                out.push_bind_param::<Text, _>(self.tenant)?;
                if !self.any_status {
                    out.push_sql(" AND t.status = ");
                    out.push_bind_param::<SmallInt, _>(&self.statuses[0])?;
                }
                if let Some(range) = &self.range {
                    push_range(range, out)?;
                }
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
                if let Some(range) = &self.range {
                    push_range(range, out)?;
                }
                self.push_after(out)?;
                self.push_order(out, "t");
                if self.offset == 0 {
                    out.push_sql(" LIMIT ");
                    out.push_bind_param::<BigInt, _>(&self.rows_each)?;
                    out.push_sql(") k");
                } else {
                    // Past the end there is nothing to walk to.
                    out.push_sql(" LIMIT CASE WHEN c.total > ");
                    out.push_bind_param::<BigInt, _>(&self.offset)?;
                    out.push_sql(" THEN ");
                    out.push_bind_param::<BigInt, _>(&self.rows_each)?;
                    out.push_sql(" ELSE 0 END) k");
                }
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
        out.push_sql(") k");
        self.push_rows(out)
    }

    /// The rows of the keys `k`, as `t`.
    fn push_rows<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" CROSS JOIN LATERAL ");
        push_row("tasks", "k.task_id", self.tenant, out)?;
        out.push_sql(" t");
        Ok(())
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
        out.push_sql(" LIMIT c.rows OFFSET n.skip) k");
        self.push_rows(out)
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

    pub(super) fn push_order(&self, out: &mut AstPass<'_, '_, Pg>, table: &str) {
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
}
