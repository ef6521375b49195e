//! Responses that no client reads: how much memory they may hold, and for how long.

use std::time::Duration;

use http::Method;
use outbound_tasks::{
    pb::{BatchGetOutboundTasksRequest, CreateOutboundTaskRequest, WatchOutboundTasksRequest},
    server::Options,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    PATIENCE,
    client::{Client, fields, new_task},
    eventually,
    http::Http,
    http2::{self, DATA, Frame, HEADERS, RST_STREAM, WINDOW_UPDATE},
    server::{Server, options},
    watch::Watch,
    wire::LIST,
};

const SECOND: Duration = Duration::from_secs(1);
/// Index 8 of HTTP/2's static table (RFC 7541, appendix A), with the bit of an indexed field.
const STATUS_200: u8 = 0x88;

/// A server with tasks of about 10 KiB each.
async fn start(options: Options) -> Server {
    let server = Server::start_with(options).await;
    fill(&server, "demo").await;
    server
}

async fn fill(server: &Server, tenant: &str) {
    let fill = format!(
        "SET session_replication_role = replica;
        INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
            target_count, target)
        SELECT '{tenant}', 't' || n, 'n', timestamptz '2026-01-01Z' + n * interval '1 s', '2027-01-01Z', 1, 0, now(), now(),
            100, (SELECT array_agg(repeat('c', 97) || m) FROM generate_series(100, 199) m) FROM generate_series(1, 200) n"
    );
    server.database.execute(&fill).await;
}

fn limited(response_bytes: usize, write_timeout: Duration) -> Options {
    let mut options = options();
    options.responses.connection = response_bytes;
    options.limits.write_timeout = write_timeout;
    options
}

/// The next frame of a connection, which must still be open.
async fn next_frame(stream: &mut TcpStream) -> Frame {
    let frame = timeout(PATIENCE, http2::next_frame(stream)).await.unwrap();
    frame.expect("the connection goes on")
}

/// Lets the server send this number of bytes more on a stream, or on the whole connection for stream 0.
async fn allow(stream: &mut TcpStream, id: u32, bytes: u32) {
    http2::send(stream, WINDOW_UPDATE, 0, id, &bytes.to_be_bytes()).await;
}

/// Pages of 400 KiB that are not read: two fit the connection, and the others are refused. All end after the write
/// timeout, and the connection stays usable.
#[tokio::test(flavor = "multi_thread")]
async fn unread_pages_of_a_connection_are_bounded_and_end_in_time() {
    let server = start(limited(1 << 20, 2 * SECOND)).await;
    let mut stream = http2::connect_with_window(server.address, 0).await;
    let path = format!("{LIST}?limit=40&count=none");
    let key = [("x-api-key", &*server.key)];
    for n in 0..5 {
        http2::get(&mut stream, 2 * n + 1, &path, &key).await;
    }
    let (mut good, mut refused, mut reset) = (0, 0, 0);
    while reset < 5 {
        let frame = next_frame(&mut stream).await;
        match frame.kind {
            HEADERS if frame.payload[0] == STATUS_200 => good += 1,
            HEADERS => refused += 1,
            RST_STREAM => reset += 1,
            DATA => panic!("{frame:?}"),
            _ => {}
        }
    }
    assert_eq!((good, refused), (2, 3));
    // Their memory is free again, and the connection works like a new one.
    http2::get(&mut stream, 11, &path, &key).await;
    allow(&mut stream, 11, 1 << 20).await;
    allow(&mut stream, 0, 1 << 20).await;
    let mut bytes = 0;
    while bytes < 400_000 {
        let frame = next_frame(&mut stream).await;
        assert_ne!(frame.kind, RST_STREAM);
        if frame.kind == DATA {
            bytes += frame.payload.len();
        }
    }
}

/// One stream that is not read is reset, while another one on the same connection continues.
#[tokio::test(flavor = "multi_thread")]
async fn one_unread_stream_of_many_is_reset_alone() {
    let server = start(limited(8 << 20, SECOND)).await;
    let mut stream = http2::connect_with_window(server.address, 1000).await;
    let key = [("x-api-key", &*server.key)];
    http2::get(&mut stream, 1, &format!("{LIST}?limit=40"), &key).await;
    allow(&mut stream, 0, 1 << 30).await;
    let small = format!("{LIST}?limit=1&fields=name");
    let is_reset = async {
        let mut id = 3;
        http2::get(&mut stream, id, &small, &key).await;
        loop {
            let frame = http2::next_frame(&mut stream)
                .await
                .expect("the connection goes on");
            match (frame.kind, frame.stream) {
                (RST_STREAM, 1) => return,
                (RST_STREAM, other) => panic!("stream {other} was reset"),
                // Asks for the next small answer.
                (DATA, other) if other != 1 && !frame.payload.is_empty() => {
                    id += 2;
                    http2::get(&mut stream, id, &small, &key).await;
                }
                _ => {}
            }
        }
    };
    timeout(PATIENCE, is_reset).await.unwrap();
}

/// When HTTP/2's own buffer holds the rest of the last answer, there is no stream left to be reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_reads_nothing_is_closed() {
    let server = start(Options {
        max_in_flight: 1,
        ..limited(8 << 20, SECOND)
    })
    .await;
    let mut stream = http2::connect_with_window(server.address, 1).await;
    let key = [("x-api-key", &*server.key)];
    http2::get(&mut stream, 1, &format!("{LIST}?limit=1"), &key).await;
    let ended = async { while http2::next_frame(&mut stream).await.is_some() {} };
    timeout(PATIENCE, ended).await.unwrap();
    // The call's permit is free again.
    let free = async || server.http().list("limit=1").await.status == 200;
    eventually("the permit is free", PATIENCE, free).await;
}

/// Over HTTP/1.1 the whole connection ends. The call has its permit until then.
#[tokio::test(flavor = "multi_thread")]
async fn an_unread_answer_holds_its_permit_until_the_write_timeout() {
    let server = start(Options {
        max_in_flight: 1,
        ..limited(16 << 20, 5 * SECOND)
    })
    .await;
    let request = format!(
        "GET {LIST}?limit=200&count=none HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n\r\n",
        server.key
    );
    // Pages of 2 MiB, pipelined: more than the socket's buffers hold, although many are refused while a call below has
    // the permit.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(request.repeat(1000).as_bytes())
        .await
        .unwrap();
    let http = server.http();
    let is_taken = async || {
        // The previous calls end meanwhile.
        for _ in 0..5 {
            if http.list("limit=1").await.status != 503 {
                return false;
            }
        }
        true
    };
    eventually("the answer waits in the socket", PATIENCE, is_taken).await;
    let is_free = async || http.list("limit=1").await.status == 200;
    eventually("the permit is free", PATIENCE, is_free).await;
    let mut all = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .unwrap();
    assert!(end.is_err(), "the connection was not reset");
}

/// A watch without changes has nothing that waits to be written, so the write timeout does not end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_watch_is_not_cut_off() {
    let server = Server::start_with(limited(1 << 20, SECOND / 2)).await;
    let request = WatchOutboundTasksRequest {
        skip_initial: true,
        ..Default::default()
    };
    let mut watch = Watch::begin(server.address, &server.key, request)
        .await
        .unwrap();
    watch.next().await.unwrap();
    // The first heartbeat comes after ten seconds of silence, twenty times the write timeout.
    let quiet = timeout(5 * SECOND, watch.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let client = Client::new(&server).await;
    client
        .create_outbound_task(CreateOutboundTaskRequest {
            task: Some(new_task("t1", &[])),
            ..Default::default()
        })
        .await
        .unwrap();
    assert!(!watch.next().await.unwrap().unwrap().changes.is_empty());
}

/// A client that reads slowly gets everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_not_cut_off() {
    let server = start(limited(16 << 20, SECOND)).await;
    let mut stream = http2::connect_with_window(server.address, 16_384).await;
    let key = [("x-api-key", &*server.key)];
    http2::get(&mut stream, 1, &format!("{LIST}?limit=40&count=none"), &key).await;
    let mut bytes = 0;
    while bytes < 400_000 {
        let frame = next_frame(&mut stream).await;
        assert_ne!(frame.kind, RST_STREAM, "after {bytes}");
        if frame.kind == DATA {
            bytes += frame.payload.len();
            // A pause after each part: five seconds in all.
            tokio::time::sleep(SECOND / 5).await;
            for id in [0, 1] {
                allow(&mut stream, id, frame.payload.len() as u32).await;
            }
        }
    }
}

/// A page of more than 8 MiB is refused over every transport, and the error names what makes it smaller.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_too_large_names_the_fields_to_lower() {
    let server = start(options()).await;
    let wide = "UPDATE tasks SET target = (SELECT array_agg(repeat('𠀀', 125) || m) FROM generate_series(100, 199) m)";
    server
        .database
        .execute(&format!("SET session_replication_role = replica; {wide}"))
        .await;
    let http = server.http();
    let refused = http.list("limit=200").await;
    assert_eq!(refused.status, 400);
    let details = &refused.json()["error"]["details"];
    let named: Vec<_> = details
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["field"].as_str().unwrap())
        .collect();
    assert_eq!(named, ["limit", "target_limit"]);
    for narrower in [
        "limit=150",
        "limit=200&target_limit=70",
        "limit=200&fields=task_id",
    ] {
        let page = http.list(narrower).await;
        assert_eq!(page.status, 200, "{narrower}");
        assert!(
            page.body.len() <= 8 << 20,
            "{narrower}: {}",
            page.body.len()
        );
    }
    // The same for tasks by their ids, each counted as often as it is requested.
    let mut grpc = server.grpc().await;
    let ids = |count: usize, of: usize| (0..count).map(|n| format!("t{}", n % of + 1)).collect();
    for (count, of, is_good) in [(150, 200, true), (200, 200, false), (200, 2, false)] {
        let request = BatchGetOutboundTasksRequest {
            task_ids: ids(count, of),
            ..Default::default()
        };
        let answer = grpc.batch_get_outbound_tasks(server.request(request)).await;
        assert_eq!(answer.is_ok(), is_good, "{count} of {of}: {answer:?}");
        if let Err(status) = answer {
            assert_eq!(fields(&status), ["task_ids", "target_limit"]);
        }
    }
    // Characters that JSON escapes count with their escaped length.
    let control = "UPDATE tasks SET target = (SELECT array_agg(repeat(chr(1), 125) || m) FROM generate_series(100, 199) m)";
    server
        .database
        .execute(&format!(
            "SET session_replication_role = replica; {control}"
        ))
        .await;
    assert_eq!(http.list("limit=200").await.status, 400);
    // The connections with cancelled statements are replaced.
    server.assert_serves().await;
}

/// Callers without a key that read no answer: beyond a number of answers over all connections, the next ones have no
/// body, so that they need no memory.
#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_without_a_key_are_bounded() {
    let server = Server::start().await;
    let http = Http::http2(server.address, "");
    let bodies = async || {
        let mut bodies = Vec::new();
        for (path, status) in [("/nothing", 404), (LIST, 401)] {
            let answer = http.send(Method::GET, path, &[], Vec::new()).await;
            assert_eq!(answer.status, status, "{path}");
            bodies.push(answer.body.len());
        }
        bodies
    };
    let before = bodies().await;
    assert!(before.iter().all(|bytes| *bytes > 50), "{before:?}");
    let mut unread = Vec::new();
    for _ in 0..45 {
        let mut stream = http2::connect_with_window(server.address, 0).await;
        for n in 0..100 {
            let path = if n % 2 == 0 { "/nothing" } else { LIST };
            http2::get(&mut stream, 2 * n + 1, path, &[]).await;
        }
        for _ in 0..100 {
            let head = http2::frame(&mut stream, HEADERS);
            timeout(PATIENCE, head).await.unwrap();
        }
        unread.push(stream);
    }
    assert_eq!(bodies().await, [0, 0]);
    // Callers with a key notice nothing.
    server.assert_serves().await;
    let key = [("x-api-key", &*server.key)];
    let path = format!("{LIST}?limit=x");
    let bad = http.send(Method::GET, &path, &key, Vec::new()).await;
    assert_eq!((bad.status.as_u16(), bad.body.is_empty()), (400, false));
    drop(unread);
    let is_over = async || bodies().await == before;
    eventually("answers have bodies again", PATIENCE, is_over).await;
}
