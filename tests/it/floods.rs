//! HTTP/2 frames that ask for nothing or little: a flood of them ends the connection, normal use does not.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    http::Http,
    http2::{
        self, DATA, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, bytes, header,
    },
    process::Process,
    server::Server,
    tasks::{task, to_ndjson},
    wire::LIST,
};

const IMPORT: &str = "/outboundtasks.v1.OutboundTaskService/ImportOutboundTasks";

/// Sends a frame again and again, until the connection ends.
async fn flood(address: std::net::SocketAddr, frame: &[u8]) {
    let mut stream = http2::connect(address).await;
    let many = frame.repeat(100);
    for _ in 0..2_000 {
        if stream.write_all(&many).await.is_err() {
            return;
        }
    }
    let ended = async { while http2::next(&mut stream).await.is_ok() {} };
    let ended = timeout(PATIENCE, ended).await;
    assert!(
        ended.is_ok(),
        "the connection goes on after many of {frame:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_control_frames_ends_the_connection() {
    let database = Database::new().await;
    let process = Process::serve(&database, &[]).await;
    let frames = [
        bytes(PRIORITY, 0, 3, &[0, 0, 0, 1, 16]),
        // The smallest increment, since the window of a connection must not overflow.
        bytes(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        bytes(0xfe, 0, 0, &[]),
        bytes(0xfe, 0, 3, &[0; 100]),
        bytes(PING, 1, 0, &[0; 8]),
        bytes(PING, 0, 0, &[0; 8]),
        bytes(SETTINGS, 0, 0, &[]),
    ];
    for frame in &frames {
        flood(process.address, frame).await;
    }
    let admin = Http::new(process.admin, "");
    let counted = async || {
        let metrics = admin.get("/metrics").await;
        let count = format!(
            "\noutbound_tasks_control_frame_floods_total {}\n",
            frames.len()
        );
        String::from_utf8(metrics.body).unwrap().contains(&count)
    };
    eventually("all of them are counted", PATIENCE, counted).await;
    let log = process.log();
    assert_eq!(log.matches("control frames").count(), 1, "{log}");
}

/// Time that passes earns frames, but never more than may be saved up.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_some_age_may_send_no_more_at_once() {
    let database = Database::new().await;
    let process = Process::serve(&database, &[]).await;
    let mut stream = http2::connect(process.address).await;
    sleep(Duration::from_secs(5)).await;
    let priority = bytes(PRIORITY, 0, 3, &[0, 0, 0, 1, 16]);
    // 1,000 are saved up. The time of sending them earns some more, but not 450.
    stream.write_all(&priority.repeat(1_450)).await.unwrap();
    let ended = async { while http2::next(&mut stream).await.is_ok() {} };
    let ended = timeout(PATIENCE, ended).await;
    assert!(ended.is_ok(), "the connection goes on");
}

/// A client that acknowledges every frame, and more often than it must.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_client_may_send_many() {
    let server = Server::start().await;
    let mut stream = http2::connect(server.address).await;
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", LIST),
        (":authority", "x"),
        ("x-api-key", &server.key),
    ] {
        block.extend(header(name, value));
    }
    for n in 0..200_u32 {
        let id = 2 * n + 1;
        let mut frames = bytes(PRIORITY, 0, id, &[0, 0, 0, 0, 16]);
        frames.extend(bytes(HEADERS, 5, id, &block));
        stream.write_all(&frames).await.unwrap();
        let mut is_answered = false;
        while !is_answered {
            let (kind, of, payload) = timeout(PATIENCE, http2::next(&mut stream))
                .await
                .unwrap()
                .unwrap();
            assert!(
                !matches!(kind, RST_STREAM | http2::GOAWAY),
                "call {n}: {kind} {payload:?}"
            );
            is_answered = kind == DATA && of == id;
            if is_answered && !payload.is_empty() {
                let increment = (payload.len() as u32).to_be_bytes();
                for _ in 0..5 {
                    stream.write_all(&bytes(PING, 0, 0, &[0; 8])).await.unwrap();
                }
                let window = bytes(WINDOW_UPDATE, 0, 0, &increment);
                stream.write_all(&window).await.unwrap();
            }
        }
    }
}

/// Uploads of messages of a few bytes, each in a frame of its own, on one connection: as many as a tenant may have, sent faster
/// than the service reads them.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_have_messages_as_small_as_it_likes() {
    let server = Server::start().await;
    let mut stream = http2::connect(server.address).await;
    // Until then the connection has the window of RFC 9113, which is smaller than what follows.
    http2::frame(&mut stream, WINDOW_UPDATE).await;
    let names = ["a", "b", "c"];
    for (name, id) in names.iter().zip([1, 3, 5]) {
        let block = http2::block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", IMPORT),
            (":authority", "x"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("x-api-key", &server.key),
        ]);
        let mut frames = bytes(HEADERS, 4, id, &block);
        frames.extend(bytes(DATA, 0, id, &message(&[0x0a, 2, 8, 1])));
        // A chunk is a byte, so this fills the window of the stream.
        let tasks: Vec<_> = (0..80)
            .map(|n| task(&format!("{name}{n}"), "2023-03-01", "2023-03-02", "pending"))
            .collect();
        let file = to_ndjson(&tasks);
        assert!((7_500..8_100).contains(&file.len()), "{}", file.len());
        for byte in file.bytes() {
            frames.extend(bytes(DATA, 0, id, &message(&[0x12, 1, byte])));
        }
        frames.extend(bytes(DATA, 1, id, &[]));
        stream.write_all(&frames).await.unwrap();
    }
    // The headers and the trailers of each. A failed call has trailers only.
    let mut heads = 0;
    while heads < 2 * names.len() {
        let next = timeout(PATIENCE, http2::next(&mut stream)).await;
        let (kind, _, payload) = next.expect("an upload is not answered").unwrap();
        assert!(
            !matches!(kind, RST_STREAM | http2::GOAWAY),
            "{kind} {:?}",
            String::from_utf8_lossy(&payload)
        );
        heads += usize::from(kind == HEADERS);
    }
    let sql = server.database.client().await;
    let tasks = sql.query_one("SELECT count(*) FROM tasks", &[]).await;
    assert_eq!(tasks.unwrap().get::<_, i64>(0), 3 * 80);
}

/// A gRPC message that is not compressed.
fn message(of: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, of.len() as u8], of].concat()
}

/// As sent to a target like `ipv4:127.0.0.1:5001,127.0.0.1:5002`, plain and in Huffman code.
#[tokio::test(flavor = "multi_thread")]
async fn authorities_of_grpc_clients_are_accepted() {
    let server = Server::start().await;
    let authorities: [(&[u8], &[u8]); 7] = [
        (b"x", b"\xf3"),
        (
            b"127.0.0.1:5001,127.0.0.1:5002",
            b"\x08\x9d\x5c\x0b\x81\x70\xdc\x6c\x00\x0f\xd0\x44\xea\xe0\x5c\x0b\x86\xe3\x60\x00\xbf",
        ),
        (b"a%2Cb", b"\x1a\xa2\xbd\x1f"),
        (b"a:1%2Cb:2", b"\x1d\xc0\xaa\x2b\xd1\xdc\x17"),
        (
            b"[::1]:1,[::1]:2",
            b"\xff\xdd\xcb\x81\xff\xe5\xc0\xfd\x7f\xee\xe5\xc0\xff\xf2\xe0\xbf",
        ),
        (
            b"%2Ftmp%2Fsocket",
            b"\x54\x58\x53\x4d\x6a\x8b\x0a\x0e\x4e\xa5\x4f",
        ),
        (
            b"[fe80::1%25eth0]:1",
            b"\xff\xdc\xa5\x78\x17\x2e\x05\x51\x36\x54\xce\x0f\xfe\x5c\x0f",
        ),
    ];
    let name = b":authority";
    let coded_name = b"\xb8\x3b\x53\x39\xec\x32\x7d\x7f";
    for (plain, coded) in authorities {
        for (value, bit) in [(plain, 0), (coded, 0x80)] {
            let string = |text: &[u8], bit: u8| [&[bit | text.len() as u8], text].concat();
            // With the name from the static table, and as a literal name, plain and coded, all added to the dynamic
            // table.
            let fields = [
                vec![0x41],
                [vec![0x40], string(name, 0)].concat(),
                [vec![0x40], string(coded_name, 0x80)].concat(),
            ];
            for field in fields {
                let mut stream = http2::connect(server.address).await;
                let field = [field, string(value, bit)].concat();
                // The second request refers to the entry of the dynamic table, which must exist.
                for (id, authority) in [(1_u32, &field[..]), (3, &[0xbe])] {
                    let mut block = header(":path", LIST);
                    block.extend([0x82, 0x86]);
                    block.extend(authority);
                    block.extend(header("x-api-key", &server.key));
                    stream
                        .write_all(&bytes(HEADERS, 5, id, &block))
                        .await
                        .unwrap();
                    let answer = timeout(PATIENCE, answer_of(&mut stream, id)).await.unwrap();
                    let shown = String::from_utf8_lossy(plain);
                    // `:status 200` of the static table (RFC 7541, appendix A).
                    assert_eq!(answer.first(), Some(&0x88), "{shown}, {authority:x?}, {id}");
                }
            }
        }
    }
}

/// The header block of a stream's answer; empty where the stream is reset.
async fn answer_of(stream: &mut tokio::net::TcpStream, id: u32) -> Vec<u8> {
    loop {
        match http2::next(stream).await.unwrap() {
            (HEADERS, of, block) if of == id => return block,
            (RST_STREAM, of, _) if of == id => return Vec::new(),
            (http2::GOAWAY, _, why) => panic!("GOAWAY {why:?}"),
            _ => {}
        }
    }
}

/// Requests that a client resets before the service has read the first one, as when many deadlines pass at once.
async fn reset_at_once(server: &Server, count: u32) -> tokio::net::TcpStream {
    let mut stream = http2::connect(server.address).await;
    let request = http2::block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", LIST),
        (":authority", "x"),
        ("x-api-key", &server.key),
    ]);
    let mut frames = Vec::new();
    for n in 0..count {
        frames.extend(bytes(HEADERS, 5, 2 * n + 1, &request));
        frames.extend(bytes(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    // One write, so that the service reads all of them before it accepts one.
    stream.write_all(&frames).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_time_out_together_do_not_end_their_connection() {
    let server = Server::start().await;
    let mut stream = reset_at_once(&server, 60).await;
    let id = 121;
    http2::get(&mut stream, id, LIST, &[("x-api-key", &*server.key)]).await;
    let answer = timeout(PATIENCE, answer_of(&mut stream, id)).await.unwrap();
    assert_eq!(answer.first(), Some(&0x88), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_resets_ends_the_connection() {
    let server = Server::start().await;
    let mut stream = reset_at_once(&server, 2_000).await;
    let why = timeout(PATIENCE, http2::frame(&mut stream, http2::GOAWAY))
        .await
        .unwrap();
    // The last stream, then ENHANCE_YOUR_CALM (RFC 9113, section 7).
    assert_eq!(why[4..8], 11_u32.to_be_bytes(), "{why:?}");
}
