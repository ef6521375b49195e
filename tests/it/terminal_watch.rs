//! `outbound-tasks watch`, during restarts and failures of the service.

use std::net::SocketAddr;

use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{TargetState, TaskAction},
};

use crate::support::{
    PATIENCE,
    client::{Client, START, new_task, report, result},
    database::Database,
    eventually,
    http::Http,
    keys::{create, id_of, unknown_key},
    process::{Process, Running},
    server::Server,
    tasks::{Json, task},
    terminal::{command, fail, read_a_line},
};

fn watch(address: SocketAddr, key: &str, arguments: &[&str]) -> Running {
    Running::start(command(address, key, &[&["watch"], arguments].concat()))
}

/// The lines of the output so far.
fn lines(watch: &Running) -> Vec<Json> {
    let out = watch.out();
    out.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// The lines as kind and id.
fn reported(watch: &Running) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let lines = lines(watch).into_iter();
    lines
        .map(|l| (text(&l["kind"]), text(&l["task_id"])))
        .collect()
}

async fn until(watch: &Running, kind: &str, task_id: &str) {
    let wanted = (kind.to_owned(), task_id.to_owned());
    let so = async || reported(watch).contains(&wanted);
    eventually(
        &format!("{kind} {task_id}: {}{}", watch.out(), watch.err()),
        PATIENCE,
        so,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_show_initial_tasks_and_changes() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("old", &["c1"])).await;
    let mut all = watch(server.address, &server.key, &[]);
    let flags = [
        "--no-initial",
        "--status=running",
        "--fields=status,task_id",
    ];
    let mut running = watch(server.address, &server.key, &flags);
    until(&all, "initial", "old").await;
    // The other watch prints nothing until there is a change for it.
    client.create(new_task("first", &[])).await;
    client.acted(TaskAction::Start, "first").await;
    let is_begun = async || {
        client.acted(TaskAction::Pause, "first").await;
        client.acted(TaskAction::Resume, "first").await;
        !running.out().is_empty()
    };
    eventually("the other is begun", PATIENCE, is_begun).await;
    client.delete("first").await;
    until(&all, "removed", "first").await;

    client.create(new_task("new", &["c1", "c2"])).await;
    until(&all, "created", "new").await;
    client.acted(TaskAction::Start, "new").await;
    until(&running, "created", "new").await;
    until(&all, "changed", "new").await;
    let results = [result("c1", TargetState::Answered, 1, START)];
    report(&client, "new", &results).await.unwrap();
    until(&running, "changed", "new").await;
    eventually("it is halfway", PATIENCE, async || {
        lines(&all).last().unwrap()["task"]["progress"] == 50
    })
    .await;
    // The task in the JSON form of the HTTP API.
    let got = server.http().get("/api/v1/outboundtasks/new").await;
    let line = lines(&all).pop().unwrap();
    assert_eq!(
        line,
        serde_json::json!({"kind": "changed", "task_id": "new", "task": got.json()})
    );
    client.delete("new").await;
    until(&all, "removed", "new").await;
    until(&running, "removed", "new").await;
    let removed = serde_json::json!({"kind": "removed", "task_id": "new"});
    assert_eq!(lines(&all).last(), Some(&removed));
    let of_new = lines(&running);
    let of_new: Vec<_> = of_new.iter().filter(|l| l["task_id"] == "new").collect();
    assert_eq!(
        *of_new[0],
        serde_json::json!({"kind": "created", "task_id": "new", "task": {"task_id": "new", "status": "running"}})
    );
    assert_eq!(of_new.len(), 3);

    for (watch, signal) in [(&mut all, "INT"), (&mut running, "TERM")] {
        watch.signal(signal);
        assert_eq!(watch.ended().await, Some(0));
        assert_eq!(watch.err(), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_there_is_a_line_for_each_change() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut odd = new_task("odd", &[]);
    odd.name = "外呼\u{1b}[2J".into();
    let flags = ["--format=table", "--time-zone=Asia/Shanghai"];
    let watch = watch(server.address, &server.key, &flags);
    client.create(odd).await;
    let has = async |parts: &[&str]| {
        let so = async || {
            watch
                .out()
                .lines()
                .any(|l| parts.iter().all(|p| l.contains(p)))
        };
        eventually(&format!("{parts:?}"), PATIENCE, so).await;
    };
    // As an initial task or as a created one: the watch may have begun before or after.
    has(&["odd", "pending", "0%", "外呼\\u{1b}[2J"]).await;
    client.acted(TaskAction::Start, "odd").await;
    has(&["  changed", "  odd", "  running", "0%", "外呼\\u{1b}[2J"]).await;
    client.delete("odd").await;
    has(&["  removed", "  odd"]).await;
    let out = watch.out();
    assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
    let (time, _) = out.lines().next().unwrap().split_once("  ").unwrap();
    let time = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").unwrap();
    let ago = chrono::Utc::now().naive_utc() + chrono::TimeDelta::hours(8) - time;
    assert!(ago.num_seconds().abs() < 60, "{out}");
}

/// Changes are not lost while a service is killed or stopped and started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_nothing() {
    let database = Database::new().await;
    let operator = database.operator();
    let tenant = TenantId::parse("demo").unwrap();
    operator.tenant_create(&tenant).await.unwrap();
    let key = operator
        .key_create(&tenant, "test", &[Scope::Read], None)
        .await;
    let key = key.unwrap().secret;
    database.add_tasks("demo", 3).await;
    let mut service = Process::serve(&database, &["--shutdown-delay=0s"]).await;
    let address = service.address;
    let mut watch = watch(address, &key, &[]);
    until(&watch, "initial", "t3").await;
    // The program has the token only after the last initial task.
    database
        .execute("UPDATE tasks SET progress = 1 WHERE task_id = 't1'")
        .await;
    until(&watch, "changed", "t1").await;
    for (round, signal, id) in [(1, "KILL", "t2"), (2, "TERM", "t3")] {
        service.signal(signal);
        service.ended(PATIENCE).await;
        database
            .execute(&format!(
                "UPDATE tasks SET progress = 2 WHERE task_id = '{id}'"
            ))
            .await;
        let said = async || watch.err().matches("will be retried").count() == round;
        eventually("it is said", PATIENCE, said).await;
        service =
            Process::serve_at(&database, &address.to_string(), &["--shutdown-delay=0s"]).await;
        until(&watch, "changed", id).await;
    }
    let reported = reported(&watch);
    let count = |kind: &str| reported.iter().filter(|(k, _)| k == kind).count();
    assert_eq!(
        (count("initial"), count("changed"), reported.len()),
        (3, 3, 6),
        "{reported:?}"
    );
    // One line for each interruption, and one for each resumption.
    let said = watch.err();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(
        said[2].contains("the watch was interrupted and will be retried: "),
        "{said:?}"
    );
    assert_eq!(said[3], "outbound-tasks: watching again");
    watch.signal("INT");
    assert_eq!(watch.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_lists_the_tasks_again() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let watch = watch(server.address, &server.key, &["--fields=status"]);
    until(&watch, "initial", "a").await;
    client.acted(TaskAction::Start, "a").await;
    until(&watch, "changed", "a").await;
    // More changes than a watch sends one by one.
    let many = |n| task(&format!("m{n}"), "2033-05-18", "2033-05-19", "pending");
    let many: Vec<Json> = (0..1001).map(many).collect();
    server.import(&many).await;
    let all = async || reported(&watch).len() == 3 + 1002;
    eventually("all tasks are listed again", PATIENCE, all).await;
    let lines = lines(&watch);
    assert_eq!(lines[2], serde_json::json!({"kind": "list_again"}));
    assert!(lines[3..].iter().all(|l| l["kind"] == "initial"));
    assert_eq!(watch.err(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_is_waited_for() {
    let server = Server::start().await;
    Client::new(&server).await.create(new_task("a", &[])).await;
    let key = create(&server.database, "read", &["--rate=1/3s"]).await;
    let path = "/api/v1/outboundtasks";
    let used = Http::new(server.address, &key).get(path).await;
    assert_eq!(used.status, 200);
    let watch = watch(server.address, &key, &[]);
    until(&watch, "initial", "a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_exits_with_1() {
    let server = Server::start().await;
    let (address, client) = (server.address, Client::new(&server).await);
    client.create(new_task("a", &[])).await;
    let nobody = "127.0.0.1:1".parse().unwrap();
    let said = fail(command(nobody, &server.key, &["watch"]), 1).await;
    assert!(said.contains("cannot be reached"), "{said}");
    let said = fail(
        command(nobody, &server.key, &["watch", "--status=asleep"]),
        2,
    )
    .await;
    assert!(said.contains("must be active or of"), "{said}");
    let said = fail(command(address, &unknown_key("demo"), &["watch"]), 1).await;
    assert!(
        said.starts_with("outbound-tasks: UNAUTHENTICATED: "),
        "{said}"
    );
    let writes = create(&server.database, "write", &[]).await;
    let said = fail(command(address, &writes, &["watch"]), 1).await;
    assert!(
        said.starts_with("outbound-tasks: PERMISSION_DENIED: "),
        "{said}"
    );

    let reads = create(&server.database, "read", &[]).await;
    let mut watch = watch(address, &reads, &[]);
    until(&watch, "initial", "a").await;
    let revoke = ["keys", "revoke", &id_of(&reads)];
    server.database.succeed(&revoke, b"").await;
    assert_eq!(watch.ended().await, Some(1));
    let said = watch.err();
    assert!(
        said.starts_with("outbound-tasks: UNAUTHENTICATED: "),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_output_is_no_failure() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    // The program learns of the revocation at once, not at the next change.
    read_a_line(command(server.address, &server.key, &["watch"])).await;
}
