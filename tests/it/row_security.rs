//! Row-level security: a role that does not own the tables reaches one tenant at a time, whatever its statements say.

use tokio_postgres::{Client, error::SqlState};

use crate::support::{
    client::{self, new_task},
    database::{Database, program},
    process::Process,
    server::{Server, options},
};

/// A connection of the restricted role.
async fn restricted(database: &Database) -> Client {
    let url = database.service_url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// The tables with rows of tenants, from the catalog: one that is added later must have a policy too.
async fn tables(database: &Database) -> Vec<String> {
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
        ORDER BY c.relname";
    let rows = database.client().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// All rows of a tenant, as one text.
async fn rows_of(sql: &Client, table: &str, tenant: &str) -> String {
    let all = format!(
        "SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM {table} t WHERE tenant_id = $1"
    );
    sql.query_one(&all, &[&tenant]).await.unwrap().get(0)
}

/// A service of two tenants, each with rows in every table, and a connection that keeps the service from compacting their
/// deltas: it would leave that table empty.
async fn two_tenants() -> (Server, Client) {
    let server = Server::start_on(Database::restricted().await, options()).await;
    let other = server.tenant("other").await;
    for key in [&server.key, &other] {
        let caller = client::Client::with_key(&server, key).await;
        let named = outbound_tasks::pb::CreateOutboundTaskRequest {
            task: Some(outbound_tasks::pb::NewOutboundTask {
                labels: [("region".to_owned(), "east".to_owned())].into(),
                ..new_task("mine", &["c1", "c2"])
            }),
            idempotency_key: "k".into(),
            ..Default::default()
        };
        caller.create_outbound_task(named).await.unwrap();
    }
    server.database.execute(crate::progress::POINTS).await;
    // Compacts the first deltas into segments and names; the second ones stay.
    let holder = server.database.client().await;
    holder.batch_execute("BEGIN").await.unwrap();
    for tenant in ["demo", "other"] {
        let lock = format!("SELECT task_counts_lock('{tenant}', true)");
        let compact = format!("{lock}; SELECT task_counts_fold('{tenant}')");
        server.database.execute(&compact).await;
        holder.batch_execute(&lock).await.unwrap();
        server.database.add_tasks(tenant, 2).await;
    }
    (server, holder)
}

async fn number(sql: &Client, query: &str) -> i64 {
    sql.query_one(query, &[]).await.unwrap().get(0)
}

/// Statements that have forgotten their condition on the tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_its_tenant_reaches_no_other() {
    let (server, _holder) = two_tenants().await;
    let owner = server.database.client().await;
    let sql = restricted(&server.database).await;
    sql.batch_execute("SET outbound_tasks.tenant = 'demo'")
        .await
        .unwrap();
    let tables = tables(&server.database).await;
    assert!(tables.len() >= 10, "{tables:?}");
    for table in &tables {
        let theirs = rows_of(&owner, table, "other").await;
        assert_ne!(theirs, "", "{table}: the test needs a row");
        let own = format!("SELECT count(*) FROM {table} WHERE tenant_id = 'demo'");
        let own = number(&owner, &own).await;
        assert_ne!(own, 0, "{table}: the test needs a row");
        let seen =
            format!("SELECT count(*), count(*) FILTER (WHERE tenant_id <> 'demo') FROM {table}");
        let seen = sql.query_one(&seen, &[]).await.unwrap();
        assert_eq!(
            (seen.get::<_, i64>(0), seen.get::<_, i64>(1)),
            (own, 0),
            "{table}"
        );
        assert_eq!(rows_of(&sql, table, "other").await, "", "{table}");
        // Rows of another tenant are neither changed nor deleted, none is moved to it, and none is added to it.
        let column: String = owner
            .query_one(
                "SELECT min(column_name)::text FROM information_schema.column_privileges
                 WHERE table_schema = current_schema() AND table_name = $1 AND grantee = $2 AND privilege_type = 'UPDATE'
                    AND column_name NOT IN (SELECT column_name FROM information_schema.columns
                        WHERE table_schema = current_schema() AND (is_generated = 'ALWAYS' OR is_identity = 'YES'))",
                &[table, &server.database.role],
            )
            .await
            .unwrap()
            .get(0);
        sql.batch_execute("BEGIN").await.unwrap();
        let changed = sql
            .execute(&format!("UPDATE {table} SET {column} = {column}"), &[])
            .await;
        assert_eq!(
            changed.unwrap_or_else(|error| panic!("{table}: {error:?}")),
            own as u64,
            "{table}"
        );
        for change in [
            format!("UPDATE {table} SET {column} = {column} WHERE tenant_id = 'other'"),
            format!("DELETE FROM {table} WHERE tenant_id = 'other'"),
        ] {
            match sql.execute(&change, &[]).await {
                Ok(changed) => assert_eq!(changed, 0, "{change}"),
                // The service's role creates and deletes no tenants and keys.
                Err(error) => {
                    assert_eq!(
                        error.code(),
                        Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                        "{change}"
                    );
                    sql.batch_execute("ROLLBACK; BEGIN").await.unwrap();
                }
            }
        }
        sql.batch_execute("ROLLBACK").await.unwrap();
        let columns: String = owner
            .query_one(
                "SELECT string_agg(column_name, ', ') FROM information_schema.columns
                 WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER' AND is_identity = 'NO'
                    AND column_name <> 'tenant_id'",
                &[table],
            )
            .await
            .unwrap()
            .get(0);
        for give in [
            format!(
                "INSERT INTO {table} (tenant_id, {columns}) SELECT 'other', {columns} FROM {table}"
            ),
            format!("UPDATE {table} SET tenant_id = 'other'"),
        ] {
            let refused = sql.execute(&give, &[]).await.unwrap_err();
            assert_eq!(
                refused.code(),
                Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                "{give}: {refused:?}"
            );
        }
        assert_eq!(rows_of(&owner, table, "other").await, theirs, "{table}");
    }
    // Nor does a function, whatever tenant it is asked for.
    for read in [
        "SELECT task_total('other', '{1,2,3,4,5,6}')",
        "SELECT count(*) FROM task_names_find('other', 'a')",
        "SELECT count(*) FROM task_numbered('other', '{1,2}', '-infinity', '', 'infinity', task_key_end())",
    ] {
        assert_eq!(number(&sql, read).await, 0, "{read}");
    }
    let named = "SELECT count(*) FROM task_names_find('demo', 'a')";
    assert_eq!(number(&sql, named).await, 3);
}

/// A statement that nobody has set a tenant for fails, and so does each function that runs as the owner.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_tenant_every_statement_fails() {
    let (server, _holder) = two_tenants().await;
    let sql = restricted(&server.database).await;
    for table in tables(&server.database).await {
        let failed = sql
            .query(&format!("SELECT FROM {table}"), &[])
            .await
            .unwrap_err();
        assert_eq!(
            failed.code(),
            Some(&SqlState::UNDEFINED_OBJECT),
            "{table}: {failed:?}"
        );
    }
    for read in [
        "SELECT task_names_find_own('a')",
        "SELECT task_names_find('demo', 'a')",
    ] {
        let failed = sql.query(read, &[]).await.unwrap_err();
        assert_eq!(
            failed.code(),
            Some(&SqlState::UNDEFINED_OBJECT),
            "{read}: {failed:?}"
        );
    }
    // A setting that was reset, as a connection pooler does, is an empty text, and no tenant has it as its id.
    sql.batch_execute("SET outbound_tasks.tenant = 'demo'; RESET outbound_tasks.tenant")
        .await
        .unwrap();
    for table in tables(&server.database).await {
        assert!(
            sql.query(&format!("SELECT FROM {table}"), &[])
                .await
                .unwrap()
                .is_empty()
        );
    }
    // Only ids, times and numbers of all tenants can be read without one.
    let definer = "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
        AND p.prosecdef ORDER BY 1";
    let owner = server.database.client().await;
    let rows = owner.query(definer, &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        names,
        [
            "task_names_find_own(text)",
            "tenants_all()",
            "tenants_due()",
            "tenants_waiting()",
            "tenants_with_foreign_log()"
        ]
    );
    // Each of them has a search_path of its own, and nobody can call it whom the owner did not allow to.
    let open = format!(
        "SELECT count(*) FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef
            AND (coalesce(array_to_string(p.proconfig, ' '), '') NOT LIKE 'search_path={schema}, pg_temp%'
                OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0))",
        schema = server.database.application
    );
    assert_eq!(number(&owner, &open).await, 0);
}

/// Calls of two tenants take turns on the connections of one pool.
#[tokio::test(flavor = "multi_thread")]
async fn connections_change_between_tenants() {
    let server = Server::start_on(Database::restricted().await, options()).await;
    let other = server.tenant("other").await;
    let owners = [
        client::Client::with_key(&server, &server.key).await,
        client::Client::with_key(&server, &other).await,
    ];
    for round in 0..20 {
        for (index, owner) in owners.iter().enumerate() {
            let id = format!("t{round}-{index}");
            owner.create(new_task(&id, &["c1"])).await;
            assert_eq!(owner.totals().await.0, round + 1, "{id}");
        }
    }
    let listed = owners
        .iter()
        .flat_map(|owner| (0..25).map(move |_| owner.totals()));
    for totals in futures_util::future::join_all(listed).await {
        assert_eq!(totals.0, 20);
    }
}

/// A schema that is created later, and that the search_path names first, takes the place of no table.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_looks_into_no_other_schema() {
    let mut database = Database::restricted().await;
    let (role, schema) = (database.role.clone().unwrap(), database.application.clone());
    let path = "search_path%3D";
    database.url = database.url.replace(path, &format!("{path}%22$user%22,"));
    let server = Server::start_on(database, options()).await;
    let owner = client::Client::new(&server).await;
    owner.create(new_task("first", &[])).await;
    let decoy = format!(
        "CREATE SCHEMA {role} AUTHORIZATION {role};
         CREATE TABLE {role}.tasks (LIKE {schema}.tasks INCLUDING ALL); ALTER TABLE {role}.tasks OWNER TO {role}"
    );
    server.database.execute(&decoy).await;
    owner.create(new_task("second", &[])).await;
    let count = format!(
        "SELECT (SELECT count(*) FROM {schema}.tasks), (SELECT count(*) FROM {role}.tasks)"
    );
    let row = server
        .database
        .client()
        .await
        .query_one(&count, &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_whether_row_security_applies_and_may_require_it() {
    let owned = Database::of_owner().await;
    let process = Process::serve(&owned, &[]).await;
    let said = "row-level security does not restrict the role \"outbound_tasks\": it is a superuser or has BYPASSRLS";
    assert!(process.log().contains(said), "{}", process.log());
    let refused = owned
        .run(
            &[
                "serve",
                "--listen=127.0.0.1:0",
                "--admin-listen=127.0.0.1:0",
                "--require-row-security",
            ],
            b"",
        )
        .await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(said));
    let restricted = Database::restricted().await;
    let process = Process::serve(&restricted, &["--require-row-security"]).await;
    let role = restricted.role.as_ref().unwrap();
    let said = format!("row-level security restricts the role \"{role}\" to one tenant at a time");
    assert!(process.log().contains(&said), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_role_that_can_be_restricted_is_granted_the_privileges_of_a_service() {
    let database = Database::of_owner().await;
    let name = &database.application;
    let refused = async |role: &str| {
        let output = database.run(&["migrate", "grant", role], b"").await;
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("nobody \"else\"").await.contains("does not exist"));
    assert!(
        refused("outbound_tasks")
            .await
            .contains("because it is a superuser or has BYPASSRLS")
    );
    let quoted = format!("we \"{name}\"");
    database
        .execute(&format!("CREATE ROLE \"we \"\"{name}\"\"\" LOGIN"))
        .await;
    for _ in 0..2 {
        let said = database.succeed(&["migrate", "grant", &quoted], b"").await;
        assert!(said.contains("can serve tasks"), "{said}");
    }
    // A table of a later migration.
    database
        .execute("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY)")
        .await;
    let sql = "SELECT has_table_privilege($1, 'later', 'INSERT'), has_table_privilege($1, 'tenants', 'INSERT'),
        has_table_privilege($1, 'api_keys', 'INSERT'), has_column_privilege($1, 'api_keys', 'scopes', 'UPDATE')";
    let row = database
        .client()
        .await
        .query_one(sql, &[&quoted])
        .await
        .unwrap();
    let has: Vec<bool> = (0..4).map(|at| row.get(at)).collect();
    assert_eq!(has, [true, false, true, false]);
    // A role that was granted before the migration of these privileges gets them by it.
    let sql = database.client().await;
    let has_column = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'api_keys'::regclass AND attname = 'created_by'
        AND NOT attisdropped";
    while number(&sql, has_column).await == 1 {
        database.succeed(&["migrate", "revert"], b"").await;
    }
    let may = "SELECT has_table_privilege($1, 'api_keys', 'INSERT'),
        has_column_privilege($1, 'api_keys', 'revoked_at', 'UPDATE')";
    for wanted in [false, true] {
        let row = sql.query_one(may, &[&quoted]).await.unwrap();
        assert_eq!([0, 1].map(|at| row.get::<_, bool>(at)), [wanted; 2]);
        database.succeed(&["migrate"], b"").await;
    }
    let usage = program()
        .args(["migrate", "run", "somebody"])
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

/// Commands that need more than the service's role may do say so.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_says_that_it_needs_the_owner() {
    let server = Server::start_on(Database::restricted().await, options()).await;
    let mut as_service = server.database.named("import");
    as_service.url = server.database.service_url();
    let output = as_service
        .run(&["import", "-", "--tenant", "demo"], b"")
        .await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("must connect as the role that owns the tables"),
        "{said}"
    );
}
