//! Settings that a role, a database or a server has for other programs: they change no answer of the service.

use outbound_tasks::{
    embedded::{Durability, Embedded},
    pb::{ListOutboundTasksRequest, OutboundTask, UpdateOutboundTaskRequest},
};
use prost_types::FieldMask;

use crate::{
    database_states::{client, create, with_key},
    support::{TempDir, process::Process},
};

/// Settings on which SQL depends, with values that PostgreSQL does not have by default.
const OTHERS: [&str; 12] = [
    "array_nulls = off",
    "bytea_output = escape",
    "DateStyle = 'SQL, DMY'",
    "default_transaction_isolation = 'serializable'",
    "enable_indexscan = off",
    "extra_float_digits = -15",
    "gin_fuzzy_search_limit = 1",
    "IntervalStyle = sql_standard",
    "row_security = off",
    "standard_conforming_strings = off",
    "TimeZone = 'Asia/Kathmandu'",
    "transform_null_equals = on",
];

#[tokio::test(flavor = "multi_thread")]
async fn settings_for_other_programs_change_no_answer() {
    let dir = TempDir::new();
    let postgres = Embedded::start(&dir.0, Durability::Throwaway)
        .await
        .unwrap();
    let (database, key) = with_key(&postgres).await;
    database.succeed(&["tenants", "create", "many"], b"").await;
    let create_key = [
        "keys",
        "create",
        "--tenant=many",
        "--name=a",
        "--scope=read",
    ];
    let reader = database.succeed(&create_key, b"").await;
    database.add_tasks("many", 3_000).await;
    for other in OTHERS {
        let set = format!("ALTER DATABASE postgres SET {other}");
        database.execute(&set).await;
    }
    let program = Process::serve(&database, &[]).await;
    let many = client(&program, reader.trim_end()).await;
    let total = async |name: &str| {
        let list = ListOutboundTasksRequest {
            name: name.to_owned(),
            ..ListOutboundTasksRequest::default()
        };
        many.list_outbound_tasks(list)
            .await
            .unwrap()
            .into_inner()
            .total
    };
    assert_eq!((total("task").await, total("as").await), (3_000, 3_000));

    let client = client(&program, &key).await;
    create(&client, "odd").await.unwrap();
    let odd = r"Yak\é 'two% \' \\";
    let renamed = UpdateOutboundTaskRequest {
        task: Some(OutboundTask {
            task_id: "odd".to_owned(),
            name: odd.to_owned(),
            ..OutboundTask::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["name".to_owned()],
        }),
        ..UpdateOutboundTaskRequest::default()
    };
    client.update_outbound_task(renamed).await.unwrap();
    // The index keeps new names in a list of their own until it is vacuumed.
    database.execute("VACUUM").await;
    for part in [odd, "yak", r"\É", r"\' \\"] {
        let list = ListOutboundTasksRequest {
            name: part.to_owned(),
            ..ListOutboundTasksRequest::default()
        };
        let found = client.list_outbound_tasks(list).await.unwrap().into_inner();
        assert_eq!(found.total, 1, "{part}");
    }
    let exported = database.succeed(&["export", "--tenant=demo"], b"").await;
    database.succeed(&["tenants", "create", "copy"], b"").await;
    database
        .succeed(&["import", "-", "--tenant=copy"], exported.as_bytes())
        .await;
    let copied = database.succeed(&["export", "--tenant=copy"], b"").await;
    assert_eq!(exported, copied);
    database.succeed(&["counts", "verify"], b"").await;
}

/// With session_replication_role = replica no trigger runs, so changes would miss in counts, log and search.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_triggers_is_refused() {
    let dir = TempDir::new();
    let postgres = Embedded::start(&dir.0, Durability::Throwaway)
        .await
        .unwrap();
    let (database, _) = with_key(&postgres).await;
    let set = "ALTER DATABASE postgres SET session_replication_role = replica";
    database.execute(set).await;
    let output = database.run(&["keys", "list"], b"").await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("session_replication_role is replica"),
        "{said}"
    );
}
