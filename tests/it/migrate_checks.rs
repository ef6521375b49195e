//! `migrate` on an unsuitable database: one clear error for each reason, and nothing is changed.

use crate::support::{cluster, database::Database};

/// A new database on the shared server.
async fn database_of(name: &str, create: &str) -> Database {
    let shared = Database::empty().await;
    shared
        .execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        .await;
    shared
        .execute(&format!("CREATE DATABASE {name} {create}"))
        .await;
    Database {
        url: cluster::database(name) + "&application_name=own",
        application: "own".to_owned(),
        role: None,
    }
}

async fn refused(database: &Database, arguments: &[&str]) -> String {
    let output = database.run(arguments, b"").await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(!said.contains("request id"), "{arguments:?}: {said}");
    said
}

/// Number of relations and functions in the schema that `migrate` would use.
async fn count_made(database: &Database) -> i64 {
    let count = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid) \
        + (SELECT count(*) FROM pg_proc WHERE pronamespace = n.oid) FROM pg_namespace n WHERE nspname = current_schema()";
    let row = database.client().await.query_opt(count, &[]).await.unwrap();
    row.map_or(0, |row| row.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_encoding_is_refused_before_anything_is_changed() {
    for encoding in ["SQL_ASCII", "EUC_CN", "LATIN1"] {
        let name = format!("encoding_{}", encoding.to_lowercase());
        let create =
            format!("ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
        let database = database_of(&name, &create).await;
        let said = refused(&database, &["migrate"]).await;
        let wanted = format!(
            "the schema was not changed: the database must have the encoding UTF8, but \"{name}\" has {encoding}; "
        );
        assert!(said.contains(&wanted), "{said}");
        assert_eq!(count_made(&database).await, 0, "{encoding}");
        // Other commands report what is missing.
        let status = database.succeed(&["migrate", "status"], b"").await;
        assert!(
            status.lines().all(|l| l.starts_with("pending ")),
            "{status}"
        );
        let ports = [
            "serve",
            "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0",
        ];
        let said = refused(&database, &ports).await;
        assert!(said.contains("`outbound-tasks migrate`"), "{said}");
        let said = refused(&database, &["tenants", "list"]).await;
        assert!(said.contains("`outbound-tasks migrate`"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_of_the_role_are_named() {
    let database = Database::empty().await;
    let schema = &database.application;
    let (weak, other) = (format!("weak_{schema}"), format!("other_{schema}"));
    database
        .execute(&format!(
            "CREATE ROLE {weak} LOGIN; CREATE ROLE {other} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {weak}; \
             GRANT USAGE, CREATE ON SCHEMA {schema} TO {other}"
        ))
        .await;
    let as_role = |role: &str| Database {
        url: format!("{}&user={role}", database.url),
        application: schema.clone(),
        role: None,
    };
    // The role has no CREATE privilege.
    let said = refused(&as_role(&weak), &["migrate"]).await;
    let wanted = format!(
        "the role \"{weak}\" must have CREATE on the schema \"{schema}\": GRANT CREATE ON SCHEMA \
         \"{schema}\" TO \"{weak}\""
    );
    assert!(said.contains(&wanted), "{said}");
    assert_eq!(count_made(&database).await, 0);
    // The tables belong to another role, and `migrate` would have to change them.
    database.succeed(&["migrate"], b"").await;
    database.succeed(&["migrate", "revert"], b"").await;
    let before = count_made(&database).await;
    let wanted = format!(
        "the role \"{other}\" must own these tables or be a member of their owner: __diesel_schema_migrations, api_keys, "
    );
    for action in [&["migrate"][..], &["migrate", "revert"]] {
        // `status` reads the table of migrations, which needs a privilege of its own.
        let grant = format!("GRANT SELECT ON __diesel_schema_migrations TO {other}");
        database.execute(&grant).await;
        let said = refused(&as_role(&other), action).await;
        assert!(said.contains(&wanted), "{said}");
        assert_eq!(count_made(&database).await, before);
    }
    // With nothing left to do, no privilege is needed.
    database.succeed(&["migrate"], b"").await;
    let said = as_role(&other).succeed(&["migrate"], b"").await;
    assert_eq!(said, "the schema is up to date\n");
    // Other commands report the cause too.
    let said = refused(&as_role(&other), &["tenants", "list"]).await;
    assert!(
        said.contains("permission denied for function tenants_all"),
        "{said}"
    );
    let drop = format!("DROP OWNED BY {weak}, {other}; DROP ROLE {weak}, {other}");
    database.execute(&drop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_collation_schema_and_a_database_without_writes_are_named() {
    let database = database_of("no_icu", "TEMPLATE template0").await;
    database
        .execute("DELETE FROM pg_collation WHERE collname = 'und-x-icu'")
        .await;
    let said = refused(&database, &["migrate"]).await;
    assert!(said.contains("the ICU collation \"und-x-icu\""), "{said}");
    assert_eq!(count_made(&database).await, 0);

    let database = Database::empty().await;
    let nowhere = Database {
        url: database.url.replace(&database.application, "nowhere"),
        application: "nowhere".to_owned(),
        role: None,
    };
    let said = refused(&nowhere, &["migrate"]).await;
    assert!(
        said.contains("the search_path must name a schema that exists"),
        "{said}"
    );
    let url = database.url.replace(
        "options=",
        "options=-cdefault_transaction_read_only%3Don%20",
    );
    let read_only = Database {
        url,
        application: database.application.clone(),
        role: None,
    };
    let said = refused(&read_only, &["migrate"]).await;
    assert!(
        said.contains("the database must accept writes, but it is read-only or a standby"),
        "{said}"
    );
}
