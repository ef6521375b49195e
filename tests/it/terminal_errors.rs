//! Errors of `outbound-tasks list` for wrong usage and for refusals of the service. `watch` has the same errors.

use crate::support::{
    keys::{create, unknown_key},
    server::Server,
    terminal::{command, fail},
};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_reported_before_any_call() {
    // Nothing listens there: a call would end with exit code 1.
    let nobody = "127.0.0.1:1".parse().unwrap();
    for (flags, reported) in [
        (
            &["--status=asleep"][..],
            "must be active or of pending, running",
        ),
        (&["--order-by=target"], "must be one of start_time, task_id"),
        (&["--order=up"], "must be one of asc, desc"),
        (
            &["--date-field=name"],
            "must be one of start_time, end_time",
        ),
        (&["--fields=task_id,colour"], "must be of task_id, name"),
        (&["--count=some"], "must be one of exact, none"),
        (&["--start=2023-02-30"], "must be a time such as"),
        (
            &["--start=2023-03-02", "--end=2023-03-01"],
            "end must not end before it starts",
        ),
        (&["--time-zone=Mars/Base"], "--time-zone"),
        (&["--page=0"], "--page"),
        (&["--limit=1001"], "--limit"),
        (&["--target-limit=101"], "--target-limit"),
        (&["--name="], "name must be 1 to 256 characters"),
        (
            &["--customer-id="],
            "customer_id must be 1 to 128 characters",
        ),
        (
            &["--task-id=a", "--task-id="],
            "task_ids[1] must be 1 to 128 characters",
        ),
        (&["--all", "--page=2"], "--page"),
        (&["--format=csv"], "table, ndjson"),
        (
            &["--url=localhost:8080"],
            "--url must be a scheme and a host",
        ),
        (
            &["--url=ftp://localhost"],
            "--url must be a scheme and a host",
        ),
        (
            &["--url=http://localhost/api"],
            "--url must be a scheme and a host",
        ),
        (
            &["--url=http://me:secret@localhost"],
            "--url must be a scheme and a host",
        ),
        (&["--url="], "--url must be a scheme and a host"),
        (&["--api-key=otk_\nsecret"], "--api-key contains characters"),
    ] {
        let said = fail(
            command(nobody, "otk_secret", &[&["list"], flags].concat()),
            2,
        )
        .await;
        assert!(said.contains(reported), "{flags:?}: {said}");
        assert!(!said.contains("secret"), "{flags:?}: {said}");
    }
    for name in ["OUTBOUND_TASKS_URL", "OUTBOUND_TASKS_API_KEY"] {
        let mut command = command(nobody, "otk_secret", &["list"]);
        command.env_remove(name);
        let said = fail(command, 2).await;
        assert!(!said.contains("otk_secret"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_service_exits_with_1() {
    let server = Server::start().await;
    let address = server.address;
    let nobody = "127.0.0.1:1".parse().unwrap();
    let said = fail(command(nobody, &server.key, &["list"]), 1).await;
    assert!(
        said.contains("the service at http://127.0.0.1:1/ cannot be reached")
            && said.contains("refused"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");

    let unknown = unknown_key("demo");
    let said = fail(command(address, &unknown, &["list"]), 1).await;
    let reported = "outbound-tasks: UNAUTHENTICATED: a valid API key is needed";
    assert!(said.starts_with(reported), "{said}");
    let writes = create(&server.database, "write", &[]).await;
    let said = fail(command(address, &writes, &["list"]), 1).await;
    assert!(
        said.starts_with("outbound-tasks: PERMISSION_DENIED: "),
        "{said}"
    );
    // The key is never logged.
    for key in [&unknown, &writes, &server.key] {
        let mut command = command(address, key, &["list", "--log=trace"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let secret = key.rsplit('_').next().unwrap();
        assert!(log.contains("TRACE") && !log.contains(secret), "{log}");
    }

    server
        .database
        .execute("ALTER TABLE tasks RENAME COLUMN name TO title")
        .await;
    // The service may keep the answer of the list above, since no task has changed.
    let other = ["list", "--limit", "7"];
    let said = fail(command(address, &server.key, &other), 1).await;
    assert!(
        said.starts_with("outbound-tasks: INTERNAL: ") && said.contains("(request id "),
        "{said}"
    );
}
