//! How a watch ends: with its key, its deadline, its server, a client that does not read, and a log that cannot be read.

use std::time::{Duration, Instant};

use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{BatchCreateOutboundTasksRequest, WatchOutboundTasksRequest},
    server::Options,
};
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::{Client, new_task},
    server::{Server, options, request_with},
    watch::{Picture, Watch},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_key_its_deadline_and_its_server() {
    let server = Server::start_with(Options {
        // One tenant gets three of them.
        max_watches: 4,
        stream_timeout: Duration::from_secs(4),
        ..options()
    })
    .await;
    let tenant = TenantId::parse("demo").unwrap();
    let key = server
        .operator
        .key_create(&tenant, "k", &[Scope::Read], None)
        .await
        .unwrap();
    let request = WatchOutboundTasksRequest::default;
    let mut revoked = Watch::begin(server.address, &key.secret, request())
        .await
        .unwrap();
    let mut limited = Watch::begin(server.address, &server.key, request())
        .await
        .unwrap();
    let mut grpc = server.grpc().await;
    let mut short = request_with(&server.key, request());
    short.set_timeout(Duration::from_secs(1));
    let mut short = grpc.watch_outbound_tasks(short).await.unwrap().into_inner();
    let full = Watch::begin(server.address, &server.key, request())
        .await
        .err()
        .unwrap();
    assert_eq!(full.code(), Code::Unavailable);
    let began = Instant::now();
    for watch in [&mut revoked, &mut limited] {
        assert!(watch.next().await.unwrap().is_some());
    }
    server.operator.key_revoke(&key.id).await.unwrap();
    assert_eq!(
        revoked.next().await.unwrap_err().code(),
        Code::Unauthenticated
    );
    assert!(
        began.elapsed() < Duration::from_millis(2500),
        "{:?}",
        began.elapsed()
    );
    short.message().await.unwrap();
    assert_eq!(
        short.message().await.unwrap_err().code(),
        Code::DeadlineExceeded
    );
    assert_eq!(limited.next().await.unwrap_err().code(), Code::Unavailable);
    let took = began.elapsed();
    assert!((3..6).contains(&took.as_secs()), "{took:?}");
    // Their permits are free again. The watches end as soon as the server stops.
    let mut watch = Watch::begin(server.address, &server.key, request())
        .await
        .unwrap();
    assert!(watch.next().await.unwrap().is_some());
    let stop = tokio::spawn(server.stop());
    assert_eq!(watch.next().await.unwrap_err().code(), Code::Unavailable);
    drop(watch);
    let began = Instant::now();
    stop.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// A watch that its client does not read is ended, and delays no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_watch_gets_list_again() {
    let mut options = options();
    // What ends it is the buffer, however long the changes take.
    options.limits.write_timeout = 20 * PATIENCE;
    let server = Server::start_with(options).await;
    let client = Client::new(&server).await;
    let mut picture = Picture::default();
    let mut watch = picture.begin(&server).await;
    let mut slow = picture.begin(&server).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    let customers: Vec<String> = (0..100).map(|n| format!("{n:0>100}")).collect();
    let customers: Vec<&str> = customers.iter().map(|c| &**c).collect();
    for batch in 0..400 {
        let tasks = (0..5)
            .map(|n| new_task(&format!("{batch}-{n}"), &customers))
            .collect();
        let create = BatchCreateOutboundTasksRequest {
            tasks,
            idempotency_key: String::new(),
            ..Default::default()
        };
        client.batch_create_outbound_tasks(create).await.unwrap();
        picture
            .follow(&mut watch, |p| p.tasks.len() == 5 * (batch + 1))
            .await;
    }
    assert_eq!(picture.anew, 0);
    let mut late = Picture::default();
    late.follow(&mut slow, |p| p.anew == 1 || p.tasks.len() == 2000)
        .await;
    assert_eq!(late.anew, 1, "it got all of 2,000 tasks without reading");
    assert_eq!(slow.next().await.unwrap(), None);
}

/// What cannot be read in the log of one tenant ends the watches of that tenant alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_change_of_one_tenant_harms_no_other() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let theirs = Client::with_key(&server, &other).await;
    let mut mine = Picture::default().begin_and_read(&server).await;
    let request = Picture::default().request();
    let mut watch = Watch::begin(server.address, &other, request).await.unwrap();
    let mut picture = Picture::default();
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    // Rows of the first releases may hold such a time.
    let columns = "tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name";
    let logged = format!(
        "INSERT INTO task_log ({columns}) VALUES ('demo', 'a', 1, now(), 'infinity', now(), now(), 'task')"
    );
    server.database.execute(&logged).await;
    let ended = loop {
        match mine.next().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    for n in 0..5 {
        theirs.create(new_task(&format!("t{n}"), &[])).await;
        picture.follow(&mut watch, |p| p.tasks.len() == n + 1).await;
    }
}
