//! Reads tasks by their ids.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};
use futures_util::TryStreamExt;

use super::{
    list_rows::StoredTask,
    row::{COLUMNS, Targets, TaskSql},
    sql::{sql, statement},
};
use crate::{
    domain::{get::GetQuery, tenant::TenantId},
    error::Result,
};

/// The tasks with some ids.
#[derive(Debug)]
pub(super) struct GetStatement<'a> {
    tenant: &'a str,
    query: &'a GetQuery,
}

impl<'a> GetStatement<'a> {
    pub(super) fn new(tenant: &'a TenantId, query: &'a GetQuery) -> Self {
        Self {
            tenant: tenant.as_str(),
            query,
        }
    }
}

impl QueryFragment<Pg> for GetStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, query } = self;
        let GetQuery {
            task_ids,
            target_limit,
        } = query;
        let out = &mut out;
        sql!(out,
            "SELECT " [COLUMNS] {Targets(target_limit)} " AS target FROM tasks t WHERE t.tenant_id = " {*tenant}
            " AND t.task_id = ANY (" {&task_ids[..]} ")"
        )
    }
}

statement!(GetStatement<'_>: TaskSql);

/// Reads one task; `None` if it does not exist.
pub(super) async fn task_row_on(
    connection: &mut &AsyncPgConnection,
    tenant: &TenantId,
    query: &GetQuery,
) -> QueryResult<Result<Option<StoredTask>>> {
    let mut rows = connection.load(GetStatement::new(tenant, query)).await?;
    let mut found = Ok(None);
    // The stream is read to its end, so that no row is left for the next statement.
    while let Some(row) = rows.try_next().await? {
        found = StoredTask::new(row, 0);
    }
    Ok(found)
}
