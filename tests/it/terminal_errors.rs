//! Errors of `outbound-tasks list` for wrong usage and for refusals of the service. `watch` has the same errors.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{
    TempDir,
    database::Database,
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

/// Commands with a database exit with 2 for wrong usage too, and with 1 for what the database refuses.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_of_commands_with_a_database_exits_with_2() {
    let database = Database::new().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    let dir = TempDir::new();
    let file = dir.0.join("in.ndjson");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let long = "x".repeat(257);
    let key = ["keys", "create", "--scope=read", "--tenant=demo", "--name"];
    let targets = ["targets", "import", "-", "--tenant=demo", "--task"];
    let import = ["import", file, "--tenant=demo"];
    let export = ["export", "--tenant=demo"];
    for (command, flags, code, reported) in [
        (&key[..], &[""][..], 2, "must be 1 to 256 characters, was 0"),
        (&key, &[&*long], 2, "must be 1 to 256 characters, was 257"),
        (
            &["keys", "create", "--scope=read", "--name=n"],
            &["--tenant=nobody"],
            1,
            "does not exist",
        ),
        (&["keys", "revoke"], &["demo"], 2, "KEY_ID must look like"),
        (&targets, &[""], 2, "must be 1 to 128 characters, was 0"),
        (
            &targets,
            &[&long[..129]],
            2,
            "must be 1 to 128 characters, was 129",
        ),
        (&targets, &["t1"], 1, "no task of this tenant has this id"),
        (
            &import,
            &["--rejects", file],
            2,
            "it is the file being imported",
        ),
        (
            &import,
            &["--rejects=r.gz"],
            2,
            "rejects are not compressed",
        ),
        (
            &["import", "nowhere", "--tenant=demo"],
            &[],
            1,
            "cannot be read",
        ),
        (&export, &["--name="], 2, "name must be 1 to 256 characters"),
        (&export, &["--label=Region"], 2, "label[0] must be a key"),
        (&export, &["--bom"], 2, "bom cannot be combined"),
        (
            &["counts", "verify"],
            &["--tenant=No"],
            2,
            "must be 1 to 40 of",
        ),
        (
            &["counts", "verify"],
            &["--tenant=nobody"],
            1,
            "does not exist",
        ),
    ] {
        let arguments = [command, flags].concat();
        let output = database.run(&arguments, b"13800000000\n").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(reported), "{arguments:?}: {said}");
    }
}

/// A server that knows HTTP/1.1 alone, as some proxies and web servers do.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_http2_is_named_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 1024];
            let _ = stream.read(&mut read).await;
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
            // The client ends the connection.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    for arguments in [
        &["list"][..],
        &["watch"],
        &["import", "-"],
        &["targets", "import", "-", "--task=t"],
    ] {
        let said = fail(command(address, &unknown_key("demo"), arguments), 1).await;
        // It may close the connection before the client has read what it answered.
        for part in [
            "does not speak HTTP/2",
            "name the service's port for calls (--listen)",
        ] {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
    server.abort();
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
