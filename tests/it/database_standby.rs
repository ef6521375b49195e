//! A service on a standby: reads are answered, writes and watches get an error that asks for a retry, until the standby is
//! promoted.

use std::{
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    process::Command,
};

use http::Method;
use outbound_tasks::{
    embedded::{Durability, Embedded},
    pb::{WatchOutboundTasksRequest, WatchOutboundTasksResponse},
};
use tonic::Status;

use crate::{
    database_states::{
        LIMITED, assert_lists, assert_read_only, client, create, eventually_ready, with_key,
    },
    support::{
        PATIENCE, TempDir,
        database::Database,
        eventually,
        http::Http,
        process::Process,
        watch::{Picture, Watch},
    },
};

/// A standby of the server, from a copy of its data.
fn copy(primary: &Embedded, from: &Path, to: &Path) {
    let programs = std::fs::read_link(format!("/proc/{}/exe", primary.pid())).unwrap();
    let config: tokio_postgres::Config = primary.url("postgres").parse().unwrap();
    let [tokio_postgres::config::Host::Unix(socket)] = config.get_hosts() else {
        panic!("it has one socket");
    };
    let copied = Command::new(programs.with_file_name("pg_basebackup"))
        .args([
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "-p",
            "5432",
        ])
        .arg("-h")
        .arg(socket)
        .args(["-U", config.get_user().unwrap(), "-D"])
        .arg(to.join("cluster"))
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    // The lock file of the socket is in the copied directory.
    std::fs::remove_file(to.join("cluster/.s.PGSQL.5432.lock")).unwrap();
    let owner = std::fs::metadata(from.join("cluster")).unwrap();
    let mut all = vec![to.join("cluster")];
    while let Some(path) = all.pop() {
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        if path.is_dir() {
            all.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_answers_reads_and_its_watches_get_a_retry_delay() {
    let (dir, copied) = (TempDir::new(), TempDir::new());
    let primary = Embedded::start(&dir.0, Durability::Durable).await.unwrap();
    let (database, key) = with_key(&primary).await;
    copy(&primary, &dir.0, &copied.0);
    let standby = Embedded::start(&copied.0, Durability::Durable)
        .await
        .unwrap();
    let url = standby.url("postgres") + "&application_name=public";
    let application = database.application.clone();
    let replica = Database {
        url,
        application,
        role: None,
    };

    let program = Process::serve(&replica, &["--scheduler"]).await;
    eventually_ready(&program, LIMITED).await;
    assert_lists(&program, &key).await;
    let client = client(&program, &key).await;
    assert_read_only(&create(&client, "never").await.unwrap_err());
    // A token to resume with, from a service on the primary.
    let beside = Process::serve(&database, &[]).await;
    let mut picture = Picture::default();
    let mut watch = Watch::begin(beside.address, &key, picture.request())
        .await
        .unwrap();
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    let http = Http::new(program.address, &key);
    for resume_token in [String::new(), picture.resume_token] {
        let request = WatchOutboundTasksRequest {
            resume_token: resume_token.clone(),
            ..Default::default()
        };
        let grpc = match Watch::begin(program.address, &key, request.clone()).await {
            Ok(mut watch) => watch.next().await.unwrap_err(),
            Err(status) => status,
        };
        assert_read_only(&grpc);
        let rpc = "/outboundtasks.v1.OutboundTaskService/WatchOutboundTasks";
        let headers = [
            ("content-type", "application/grpc-web+proto"),
            ("x-api-key", &key),
        ];
        let message = crate::support::http::frame(&request);
        let web = http.send(Method::POST, rpc, &headers, message).await;
        let (_, trailers) = web.unary::<WatchOutboundTasksResponse>();
        assert_read_only(&Status::from_header_map(&trailers).unwrap());
        let path = format!("/api/v1/outboundtasks:watch?resume_token={resume_token}");
        let events = http.get(&path).await;
        assert_eq!(events.status, 503, "{}", events.json());
        assert!(!events.header("retry-after").is_empty());
    }
    let log = program.log();
    // A low hard limit of open files causes another warning, so only those of the database count.
    let is_of_database = |line: &&str| line.contains(" WARN ") && line.contains("::db::");
    let warnings = log.lines().filter(is_of_database);
    assert_eq!(warnings.count(), 1, "{log}");

    // Of two hosts, the writable one is found, in either order.
    let second = primary.url("postgres");
    let (_, second) = second.split_once('?').unwrap();
    let both = Database {
        url: format!("{}&{second}&target_session_attrs=read-write", replica.url),
        application: "public".to_owned(),
        role: None,
    };
    both.succeed(&["tenants", "create", "other"], b"").await;

    // The standby is promoted. The primary must be stopped first, or both would take writes.
    drop(beside);
    primary.stop().await.unwrap();
    let promote = "SELECT pg_promote()";
    replica.client().await.batch_execute(promote).await.unwrap();
    eventually_ready(&program, "ready\n").await;
    create(&client, "after").await.unwrap();
    let watched = async || {
        let request = Picture::default().request();
        let Ok(mut watch) = Watch::begin(program.address, &key, request).await else {
            return false;
        };
        matches!(watch.next().await, Ok(Some(first)) if first.changes.len() == 6)
    };
    eventually("a watch begins", PATIENCE, watched).await;
    drop(program);
    standby.stop().await.unwrap();
}
