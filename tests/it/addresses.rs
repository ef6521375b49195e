//! Limits per address: connections, also of clients behind proxies, and which address the log names.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use outbound_tasks::{
    domain::rate::Limit,
    request::{AddressLimits, Network, Proxies},
    server::{Limits, Options},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tonic::Code;

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    http::Http,
    keys,
    process::Process,
    server::{Server, options},
    tls::Secure,
    wire::{Caller, LIST, WIRES},
};

const SECOND: Duration = Duration::from_secs(1);
/// The header of a health check of the proxy itself (the command LOCAL).
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// A connection from an address of this machine.
async fn connect_from(source: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let stream = socket.connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Lists over HTTP/1.1, behind other bytes. Returns the status, or `None` if the connection ends without one.
async fn status(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    before: &[u8],
    key: &str,
) -> Option<u16> {
    let head = format!("GET {LIST}?limit=1 HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n");
    let sent = stream.write_all(&[before, head.as_bytes()].concat()).await;
    sent.ok()?;
    let mut answer = [0; 12];
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    read.expect("an answer or an end").ok()?;
    std::str::from_utf8(&answer[9..]).unwrap().parse().ok()
}

/// A header of version 1.
fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 56324 443\r\n").into_bytes()
}

/// A header of version 2.
fn v2(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f".to_vec();
    header.extend(client);
    // The other address, both ports, and an extension.
    header.extend([127, 0, 0, 1, 1, 2, 3, 4, 0xee, 0, 0]);
    header
}

/// A header of version 2 with an IPv6 address, `2001:db8::` and these last bytes.
fn v2_of_ipv6(last: [u8; 12]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\x0d\xb8".to_vec();
    header.extend(last);
    header.extend([0; 20]);
    header
}

fn limited(trusted: &[&str], connections: usize) -> Options {
    let parse = |text: &&str| Network::parse(text).unwrap();
    let networks: Vec<Network> = trusted.iter().map(parse).collect();
    Options {
        limits: Limits {
            addresses: AddressLimits {
                connections: Some(connections),
                failed_keys: Limit::Off,
                proxies: Proxies::new(&networks),
            },
            ..options().limits
        },
        ..options()
    }
}

async fn metric(admin: SocketAddr, name: &str) -> u64 {
    let metrics = Http::new(admin, "").get("/metrics").await;
    let text = String::from_utf8(metrics.body).unwrap();
    let name = format!("outbound_tasks_{name}_total ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    value.unwrap().parse().unwrap()
}

/// Checks that a line with this text is logged, and only one. Returns the log.
async fn logged_once(process: &Process, text: &str) -> String {
    let logged = async || process.log().contains(text);
    eventually(text, PATIENCE, logged).await;
    let log = process.log();
    assert_eq!(log.matches(text).count(), 1, "{log}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_cannot_hold_all_connections() {
    let server = Server::start_with(limited(&[], 5)).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = connect_from("127.0.0.2", server.address).await;
        assert_eq!(status(&mut stream, b"", &server.key).await, Some(200));
        held.push(stream);
    }
    let mut sixth = connect_from("127.0.0.2", server.address).await;
    assert_eq!(status(&mut sixth, b"", &server.key).await, None);
    // Other addresses are not affected.
    let mut other = connect_from("127.0.0.3", server.address).await;
    assert_eq!(status(&mut other, b"", &server.key).await, Some(200));
    // An ended connection makes room.
    held.pop();
    let room = async || {
        let mut stream = connect_from("127.0.0.2", server.address).await;
        status(&mut stream, b"", &server.key).await == Some(200)
    };
    eventually("room for another connection", PATIENCE, room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_counted_and_logged_once() {
    let secure = Secure::start(&["--max-connections-per-address=3"]).await;
    let trust = secure.trust();
    let mut held = Vec::new();
    let full = async || trust.connect(secure.process.address).await.is_err();
    while held.len() < 3 {
        held.push(trust.connect(secure.process.address).await.unwrap());
    }
    for _ in 0..20 {
        assert!(full().await, "a fourth connection");
    }
    assert_eq!(status(&mut held[0], b"", &secure.key).await, Some(200));
    assert!(metric(secure.process.admin, "connections_refused").await >= 20);
    let log = logged_once(&secure.process, "its address has the maximum number open").await;
    assert!(log.contains("address=127.0.0.1 most=3"), "{log}");
}

/// A proxy that nobody has named, or a network behind one address, works with the settings that `serve` has by default.
#[tokio::test(flavor = "multi_thread")]
async fn by_default_an_address_may_have_many_connections() {
    let database = Database::demo().await;
    let key = keys::create(&database, "read", &[]).await;
    for most in ["--max-connections=10000", "--max-connections=700"] {
        let process = Process::serve(&database, &[most]).await;
        let mut streams = Vec::new();
        for _ in 0..600 {
            let mut stream = TcpStream::connect(process.address).await.unwrap();
            let answer = status(&mut stream, b"", &key).await;
            assert_eq!(answer, Some(200), "connection {}", streams.len());
            streams.push(stream);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_protocol_names_the_client() {
    let server = Server::start_with(limited(&["127.0.0.0/29"], 2)).await;
    let mut held = Vec::new();
    let mut ask = async |header: &[u8]| {
        let mut stream = connect_from("127.0.0.1", server.address).await;
        let answer = status(&mut stream, header, &server.key).await;
        held.push(stream);
        answer
    };
    for (header, wanted) in [
        (v1("192.0.2.1"), Some(200)),
        (v2([192, 0, 2, 1]), Some(200)),
        // One too many of that client.
        (v1("192.0.2.1"), None),
        (v2([192, 0, 2, 1]), None),
        (v1("192.0.2.2"), Some(200)),
        // IPv6 counts by network.
        (v2_of_ipv6([0; 12]), Some(200)),
        (v2_of_ipv6([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), Some(200)),
        (b"PROXY TCP6 2001:db8::9 ::1 56324 443\r\n".to_vec(), None),
        (v2_of_ipv6([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]), Some(200)),
    ] {
        assert_eq!(ask(&header).await, wanted, "{header:?}");
    }
    // The proxy itself, and a proxy that sends no header, have any number.
    for _ in 0..3 {
        for header in [b"PROXY UNKNOWN\r\n", LOCAL, b""] {
            assert_eq!(ask(header).await, Some(200), "{header:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_proxy_header_ends_the_connection() {
    let server = Server::start_with(limited(&["127.0.0.1"], 100)).await;
    for malformed in [
        &b"PROXY TCP4 x 127.0.0.1 1 2\r\n"[..],
        b"PROXY TCP4 192.0.2.9 127.0.0.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.9 127.0.0.1 1\r\n",
        b"PROXY TCP4 192.0.2.9 127.0.0.1 1 2 3\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.9 127.0.0.1 1 2\r\n",
        b"PROXY TCP9 192.0.2.9 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.9\xff 127.0.0.1 1 2\r\n",
        b"PROXY \r\n",
        &[b"PROXY TCP4 ", &[b'1'; 200][..]].concat(),
        // Version 3, another command, too short for its family, and longer than any header.
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\0\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ] {
        let mut stream = connect_from("127.0.0.1", server.address).await;
        let answer = status(&mut stream, malformed, &server.key).await;
        assert_eq!(answer, None, "{malformed:?}");
    }
    // What is no header at all is for HTTP to refuse.
    for garbage in [&b"\r\n\r\n\0\r\nQUIX"[..], b"PROXX ", b"\0\xff"] {
        let mut stream = connect_from("127.0.0.1", server.address).await;
        let answer = status(&mut stream, garbage, &server.key).await;
        assert_ne!(answer, Some(200), "{garbage:?}");
    }
    server.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_proxy_header_delays_nobody() {
    let server = Server::start_with(limited(&["127.0.0.1"], 100)).await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for n in 0..50 {
        let mut stream = connect_from("127.0.0.1", server.address).await;
        let begin: [&[u8]; 2] = [b"PROXY TCP4 192.0.2.1", &v2([192, 0, 2, 1])[..20]];
        stream.write_all(begin[n % 2]).await.unwrap();
        silent.push(stream);
    }
    server.assert_serves().await;
    assert!(began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
    for mut stream in silent {
        let ended = timeout(PATIENCE, stream.read(&mut [0])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    }
    // The header has 3 s, and the first request of this server a minute.
    let took = began.elapsed();
    assert!(took > 2 * SECOND && took < 20 * SECOND, "{took:?}");
    // A header in pieces is accepted.
    for header in [v1("192.0.2.3"), v2([192, 0, 2, 3])] {
        let mut stream = connect_from("127.0.0.1", server.address).await;
        for piece in header.chunks(5) {
            stream.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(status(&mut stream, b"", &server.key).await, Some(200));
    }
}

/// The time for the header and the handshake together.
const BUDGET: Duration = Duration::from_secs(3);

/// Waits for the end of a connection; returns the time since `began`.
async fn ended(mut stream: TcpStream, began: Instant) -> Duration {
    let ended = timeout(PATIENCE, stream.read(&mut [0])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    began.elapsed()
}

/// The header comes before the handshake, and takes from its time.
#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_protocol_names_the_client_over_tls() {
    let secure = Secure::start(&[
        "--trusted-proxies=127.0.0.1",
        "--max-connections-per-address=1",
        "--tls-handshake-timeout=3s",
    ])
    .await;
    let mut held = Vec::new();
    let mut ask = async |header: &[u8]| {
        let mut stream = connect_from("127.0.0.1", secure.process.address).await;
        stream.write_all(header).await.unwrap();
        let mut stream = secure.trust().handshake(stream).await.ok()?;
        let answer = status(&mut stream, b"", &secure.key).await;
        held.push(stream);
        answer
    };
    for (header, wanted) in [
        (v1("192.0.2.1"), Some(200)),
        (v2([192, 0, 2, 1]), None),
        (v2([192, 0, 2, 2]), Some(200)),
        (Vec::new(), Some(200)),
        (Vec::new(), Some(200)),
        (b"PROXY TCP4 garbage\r\n".to_vec(), None),
    ] {
        assert_eq!(ask(&header).await, wanted, "{header:?}");
    }
    // Both have used half of the time before they begin.
    let slow = async {
        let mut stream = connect_from("127.0.0.1", secure.process.address).await;
        tokio::time::sleep(BUDGET / 2).await;
        let began = Instant::now();
        for byte in v1("192.0.2.3") {
            // The service has closed the connection if this fails.
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ended(stream, began).await
    };
    let silent_behind_header = async {
        let mut stream = connect_from("127.0.0.1", secure.process.address).await;
        tokio::time::sleep(BUDGET / 2).await;
        let began = Instant::now();
        stream.write_all(&v1("192.0.2.4")).await.unwrap();
        ended(stream, began).await
    };
    let (slow, silent) = tokio::join!(slow, silent_behind_header);
    assert!(slow < BUDGET - SECOND / 2, "{slow:?}");
    assert!(silent < BUDGET - SECOND / 2, "{silent:?}");
    assert!(metric(secure.process.admin, "proxy_headers_refused").await >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_name_a_client() {
    let database = Database::new().await;
    let plain = Process::serve(&database, &["--trusted-proxies=192.0.2.0/24"]).await;
    let secure = Secure::start(&[]).await;
    for process in [&plain, &secure.process] {
        for header in [v1("192.0.2.7"), v2([192, 0, 2, 7]), LOCAL.to_vec()] {
            let mut stream = TcpStream::connect(process.address).await.unwrap();
            let answer = status(&mut stream, &header, "").await;
            assert_eq!(answer, None, "{header:?}");
        }
        assert_eq!(metric(process.admin, "proxy_headers_refused").await, 3);
        logged_once(process, "--trusted-proxies does not name its sender").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_the_client() {
    let database = Database::demo().await;
    let key = keys::create(&database, "read", &[]).await;
    let trusted = "--trusted-proxies=127.0.0.0/8,2001:db8:1::/48";
    let process = Process::serve(&database, &[trusted]).await;
    let caller = Caller::new(process.address);
    let logged = async |peer: &str| {
        let line = format!("peer={peer} ");
        let found = async || process.log().contains(&line);
        eventually(&line, PATIENCE, found).await;
    };
    for (n, wire) in WIRES.into_iter().enumerate() {
        // The client invented the first address, and the last one is a proxy's.
        let forwarded = format!("203.0.113.99, 203.0.113.{n}, 2001:db8:1::5");
        let headers = [("x-api-key", &*key), ("x-forwarded-for", &forwarded)];
        let answer = caller.list(wire, &headers).await;
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
        logged(&format!("203.0.113.{n}")).await;
    }
    let mut stream = TcpStream::connect(process.address).await.unwrap();
    assert_eq!(status(&mut stream, &v1("192.0.2.5"), &key).await, Some(200));
    logged("192.0.2.5").await;
    assert!(!process.log().contains("203.0.113.99"), "{}", process.log());

    // Without trusted proxies, the header is a client's invention.
    let process = Process::serve(&database, &[]).await;
    let headers = [("x-api-key", &*key), ("x-forwarded-for", "203.0.113.1")];
    for wire in WIRES {
        let answer = Caller::new(process.address).list(wire, &headers).await;
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
    }
    let all = async || process.log().matches("peer=127.0.0.1 ").count() == WIRES.len();
    eventually("all calls are logged", PATIENCE, all).await;
    assert!(!process.log().contains("203.0.113"), "{}", process.log());
}
