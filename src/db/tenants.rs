//! Stores and reads tenants.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{Db, TenantDb, schema::tenants};
use crate::error::Result;

/// A tenant as stored.
#[derive(Debug, QueryableByName)]
pub struct TenantRecord {
    /// The id.
    #[diesel(sql_type = Text)]
    pub tenant_id: String,
    /// When it was created.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

impl Db {
    /// All tenants, ordered by id.
    pub async fn tenant_list(&self) -> Result<Vec<TenantRecord>> {
        let all = sql_query("SELECT tenant_id, created_at FROM tenants_all()");
        self.run(async |connection| all.load(connection).await)
            .await
    }
}

impl TenantDb<'_> {
    /// Creates the tenant; false if it exists already.
    pub async fn tenant_create(&self, page_token_key: [u8; 32]) -> Result<bool> {
        self.run_own(async |connection| {
            diesel::insert_into(tenants::table)
                .values((
                    tenants::tenant_id.eq(self.tenant.as_str()),
                    tenants::page_token_key.eq(&page_token_key[..]),
                ))
                .on_conflict_do_nothing()
                .execute(connection)
                .await
        })
        .await
        .map(|rows| rows == 1)
    }

    /// Whether the tenant exists.
    pub async fn tenant_exists(&self) -> Result<bool> {
        self.run_own(async |connection| {
            diesel::select(diesel::dsl::exists(
                tenants::table.find(self.tenant.as_str()),
            ))
            .get_result(connection)
            .await
        })
        .await
    }
}
