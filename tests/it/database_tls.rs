//! TLS to PostgreSQL: all connections of a service, and cancel requests.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tonic::Code;

use crate::support::{
    PATIENCE, eventually, keys,
    process::Process,
    tls_postgres::{NAME, TlsPostgres},
    watch::{Picture, Watch},
    wire::{Caller, Wire},
};

/// The first message of a connection that asks for TLS (PostgreSQL, "Message Formats", SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A port that forwards to the server, and keeps the first eight bytes of each connection.
struct Observer {
    address: SocketAddr,
    first: Arc<Mutex<Vec<[u8; 8]>>>,
    task: JoinHandle<()>,
}

impl Observer {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let first = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&first);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                connections.spawn(async move {
                    let mut bytes = [0; 8];
                    if client.read_exact(&mut bytes).await.is_err() {
                        return;
                    }
                    seen.lock().unwrap().push(bytes);
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    server.write_all(&bytes).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self {
            address,
            first,
            task,
        }
    }

    fn count(&self) -> usize {
        self.first.lock().unwrap().len()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_connections_of_a_service_and_its_cancel_requests_are_encrypted() {
    let postgres = TlsPostgres::start_with_tls().await;
    let local = &postgres.database;
    local.succeed(&["tenants", "create", "demo"], b"").await;
    local.add_tasks("demo", 20).await;
    let key = keys::create(local, "read", &[]).await;
    let observer = Observer::to(postgres.port).await;
    let parameters = format!(
        "&sslmode=verify-full&channel_binding=prefer&sslrootcert={}",
        postgres.authority_file()
    );
    let database = postgres.at(NAME, observer.address.port(), &parameters);

    // COPY, both ways
    let task = r#"{"task_id":"new","name":"new","start_time":"2026-01-01T00:00:00Z","end_time":"2026-01-02T00:00:00Z"}"#;
    let import = ["import", "-", "--tenant=demo"];
    database.succeed(&import, task.as_bytes()).await;
    let exported = database.succeed(&["export", "--tenant=demo"], b"").await;
    assert_eq!(exported.lines().count(), 21, "{exported}");

    let program = Process::serve(&database, &["--request-timeout=500ms"]).await;
    let caller = Caller::new(program.address);
    let headers = [("x-api-key", &*key)];
    let answer = caller.list(Wire::Grpc, &headers).await;
    assert_eq!(
        (answer.code, answer.total),
        (Code::Ok, Some(21)),
        "{answer:?}"
    );

    // LISTEN: the change of another service reaches the watch.
    let mut picture = Picture::default();
    let watch = Watch::begin(program.address, &key, picture.request());
    let mut watch = watch.await.unwrap();
    let initial = |picture: &Picture| !picture.resume_token.is_empty();
    picture.follow(&mut watch, initial).await;
    local
        .succeed(&import, task.replace("new", "later").as_bytes())
        .await;
    let is_there = |picture: &Picture| picture.tasks.contains_key("later");
    picture.follow(&mut watch, is_there).await;

    let asking = local.client().await;
    let encrypted = "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'tls' AND client_addr IS NOT NULL";
    let row = asking.query_one(encrypted, &[]).await.unwrap();
    let (tls, all): (i64, i64) = (row.get(0), row.get(1));
    assert!(
        all >= 4 && tls == all,
        "{tls} of {all} connections are encrypted"
    );

    // A statement whose deadline passed is cancelled by a connection of its own.
    let lock = local.lock_tasks().await;
    let before = observer.count();
    let answer = caller.list(Wire::Grpc, &headers).await;
    assert_eq!(answer.code, Code::DeadlineExceeded, "{answer:?}");
    // The workers that compact the counts, read the change log and store points of progress may wait.
    let waiting =
        "state = 'active' AND wait_event_type = 'Lock' AND query NOT LIKE '%task_counts_fold%'
        AND query NOT LIKE '%pg_snapshot_xip%' AND query NOT LIKE '%INSERT INTO task_progress%'";
    let gone = async || local.count_backends(&asking, waiting).await == 0;
    eventually("the statement is gone", Duration::from_secs(3), gone).await;
    let more = async || observer.count() > before;
    eventually("the cancel request came", PATIENCE, more).await;
    drop(lock);
    for first in observer.first.lock().unwrap().iter() {
        assert_eq!(*first, SSL_REQUEST, "a connection begins without TLS");
    }
}
