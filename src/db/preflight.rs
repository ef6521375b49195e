//! Checks the requirements of the migrations before the schema is changed, so that a migration that
//! cannot complete does not begin.

use diesel::{
    sql_query,
    sql_types::{Bool, Integer, Nullable, Text},
};
use diesel_async::RunQueryDsl;

use super::session::Connection;
use crate::error::{Error, ErrorKind, Result};

/// The oldest supported PostgreSQL, as server_version_num.
const OLDEST: i32 = 150_000;

/// The facts to check. `of_others` lists existing tables with the names of ours that belong to another role, because
/// the migrations cannot change them.
const FACTS: &str = "SELECT current_setting('server_version_num')::int AS version, \
    current_setting('server_version') AS version_text, current_database()::text AS database, \
    current_user::text AS role, getdatabaseencoding()::text AS encoding, current_schema()::text AS schema, \
    current_setting('transaction_read_only') = 'on' AS is_read_only, \
    EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu' AND collprovider = 'i') AS has_icu, \
    EXISTS (SELECT FROM pg_language WHERE lanname = 'plpgsql' AND has_language_privilege(oid, 'USAGE')) AS has_plpgsql, \
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create, \
    (SELECT string_agg(relname::text, ', ' ORDER BY relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
        WHERE n.nspname = current_schema() AND relkind = 'r' AND NOT pg_has_role(relowner, 'USAGE') \
        AND relname IN ('__diesel_schema_migrations', 'tenants', 'api_keys', 'tasks', 'task_targets', 'task_changes', \
            'task_segments', 'task_events', 'idempotency_keys', 'task_names', 'task_search', 'task_log', 'task_labels', \
            'task_label_counts', 'task_progress')) AS of_others";

#[derive(diesel::QueryableByName)]
struct Facts {
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    version_text: String,
    #[diesel(sql_type = Text)]
    database: String,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
    #[diesel(sql_type = Bool)]
    is_read_only: bool,
    #[diesel(sql_type = Bool)]
    has_icu: bool,
    #[diesel(sql_type = Bool)]
    has_plpgsql: bool,
    #[diesel(sql_type = Bool)]
    may_create: bool,
    #[diesel(sql_type = Nullable<Text>)]
    of_others: Option<String>,
}

/// FAILED_PRECONDITION with a sentence for each unmet requirement.
pub(super) async fn check(connection: &mut Connection) -> Result<()> {
    let facts: Facts = connection
        .run(async |connection| sql_query(FACTS).get_result(connection).await)
        .await?;
    let missing = facts.missing();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::FailedPrecondition,
        format!("the schema was not changed: {}", missing.join("; ")),
    ))
}

impl Facts {
    /// A sentence for each unmet requirement.
    fn missing(&self) -> Vec<String> {
        let Self {
            version,
            version_text,
            database,
            role,
            encoding,
            schema,
            is_read_only,
            has_icu,
            has_plpgsql,
            may_create,
            of_others,
        } = self;
        // All of them at once, so that an administrator need not repeat the command for each.
        let mut missing = Vec::new();
        if *version < OLDEST {
            missing.push(format!(
                "PostgreSQL must be version 15 or newer, but this is {version_text}"
            ));
        }
        if encoding != "UTF8" {
            missing.push(format!(
                "the database must have the encoding UTF8, but {database:?} has {encoding}; create one with \
                CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            ));
        }
        if !has_icu {
            missing.push(
                "PostgreSQL must have the ICU collation \"und-x-icu\", but this server was built without ICU or the \
                collation was dropped"
                    .to_owned(),
            );
        }
        if !has_plpgsql {
            missing.push(format!(
                "the database must have the language plpgsql, and the role {role:?} must have USAGE on it"
            ));
        }
        if *is_read_only {
            missing.push(
                "the database must accept writes, but it is read-only or a standby".to_owned(),
            );
        }
        match schema {
            None => missing.push("the search_path must name a schema that exists".to_owned()),
            Some(schema) if !may_create => missing.push(format!(
                "the role {role:?} must have CREATE on the schema {schema:?}: GRANT CREATE ON SCHEMA \
                {schema:?} TO {role:?}"
            )),
            Some(_) => {}
        }
        if let Some(tables) = of_others {
            missing.push(format!(
                "the role {role:?} must own these tables or be a member of their owner: {tables}"
            ));
        }
        missing
    }
}
