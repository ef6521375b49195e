//! The role of a service: whether row-level security restricts it, and what it is granted.
//!
//! [`super::row_security`] explains the policies.

use std::fmt;

use diesel::{
    sql_query,
    sql_types::{Bool, Nullable, Text},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::Db;
use crate::error::{Error, ErrorKind, Result};

/// What keeps row-level security from separating tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unrestricted {
    /// The role is a superuser or has BYPASSRLS.
    Exempt,
    /// The role owns the tables, or is a member of the owner.
    Owner,
    /// These tables lack it.
    Tables(String),
}

impl fmt::Display for Unrestricted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exempt => f.write_str("it is a superuser or has BYPASSRLS"),
            Self::Owner => f.write_str("it owns the tables, or is a member of their owner"),
            Self::Tables(tables) => write!(f, "it is not enabled on {tables}"),
        }
    }
}

/// Whether row-level security applies to the service's role.
#[derive(Debug, Clone)]
pub struct RowSecurity {
    /// The role.
    pub role: String,
    /// Why it does not apply; `None` if it does.
    pub unrestricted: Option<Unrestricted>,
}

#[derive(diesel::QueryableByName)]
struct Facts {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Bool)]
    is_exempt: bool,
    #[diesel(sql_type = Bool)]
    is_owner: bool,
    #[diesel(sql_type = Nullable<Text>)]
    open_tables: Option<String>,
}

/// The facts about the role and the tables with a tenant's rows.
const FACTS: &str = "SELECT current_user::text AS role, \
    (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS is_exempt, \
    coalesce(bool_or(pg_has_role(c.relowner, 'USAGE')), false) AS is_owner, \
    string_agg(c.relname::text, ', ' ORDER BY c.relname) FILTER (WHERE NOT c.relrowsecurity) AS open_tables \
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped \
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace";

impl Db {
    /// Whether row-level security applies to the role of this service.
    pub async fn row_security(&self) -> Result<RowSecurity> {
        let mut connection = self.connect_alone().await?;
        let facts =
            connection.run(async |connection| sql_query(FACTS).get_result(connection).await);
        let facts: Facts = facts.await?;
        let Facts {
            role,
            is_exempt,
            is_owner,
            open_tables,
        } = facts;
        let unrestricted = match (is_exempt, is_owner, open_tables) {
            (true, _, _) => Some(Unrestricted::Exempt),
            (_, true, _) => Some(Unrestricted::Owner),
            (_, _, Some(tables)) => Some(Unrestricted::Tables(tables)),
            (false, false, None) => None,
        };
        Ok(RowSecurity { role, unrestricted })
    }

    /// Grants `role` what a service needs, and nothing else. May be repeated. NOT_FOUND if the role does not exist,
    /// FAILED_PRECONDITION if row-level security would not apply to it.
    pub async fn grant_to(&self, role: &str) -> Result<()> {
        #[derive(diesel::QueryableByName)]
        struct Role {
            #[diesel(sql_type = Bool)]
            is_exempt: bool,
            #[diesel(sql_type = Bool)]
            is_owner: bool,
            #[diesel(sql_type = Nullable<Text>)]
            schema: Option<String>,
        }
        let asked = sql_query(
            "SELECT rolsuper OR rolbypassrls AS is_exempt, \
                coalesce((SELECT pg_has_role(r.oid, c.relowner, 'USAGE') FROM pg_class c \
                    WHERE c.oid = to_regclass('tenants')), false) AS is_owner, \
                (SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                    WHERE c.oid = to_regclass('tenants')) AS schema \
             FROM pg_roles r WHERE rolname = $1",
        )
        .bind::<Text, _>(role);
        let found: Vec<Role> = self
            .run(async |connection| asked.load(connection).await)
            .await?;
        let not_so = |why: String| Err(Error::new(ErrorKind::FailedPrecondition, why));
        let Some(Role {
            is_exempt,
            is_owner,
            schema,
        }) = found.into_iter().next()
        else {
            let why =
                format!("the role {role:?} does not exist; create it with CREATE ROLE … LOGIN");
            return Err(Error::new(ErrorKind::NotFound, why));
        };
        if is_exempt {
            return not_so(format!(
                "row-level security does not apply to the role {role:?}, because it is a superuser or has BYPASSRLS"
            ));
        }
        if is_owner {
            return not_so(format!(
                "row-level security does not apply to the role {role:?}, because it owns the tables or is a member of \
                their owner"
            ));
        }
        let Some(schema) = schema else {
            return not_so(
                "there are no tables yet; run `outbound-tasks migrate` first".to_owned(),
            );
        };
        let grants = grants(&quoted(&schema), &quoted(role));
        self.run(async |connection| connection.batch_execute(&grants).await)
            .await
    }
}

/// The privileges of a service, for an identifier of the schema and one of the role.
///
/// A service does not create tenants: that command connects as the owner. It creates and revokes keys for keys with the
/// scope `admin`. What a later migration creates is granted by the default privileges. PostgreSQL runs all of it in one
/// transaction.
fn grants(schema: &str, role: &str) -> String {
    let tables = "tasks, task_targets, task_changes, task_segments, task_search, task_log, task_events, \
        task_labels, task_label_counts, task_progress, idempotency_keys";
    format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}; \
         GRANT SELECT, UPDATE (log_trimmed) ON tenants TO {role}; \
         GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at, revoked_by) ON api_keys TO {role}; \
         GRANT SELECT ON __diesel_schema_migrations TO {role}; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}; \
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}; \
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}; \
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role}; \
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT EXECUTE ON FUNCTIONS TO {role}"
    )
}

/// An identifier of SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
