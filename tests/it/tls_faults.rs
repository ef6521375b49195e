//! Clients and files that do not fit the TLS of the service: each is refused, and it is clear why.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    http::Http,
    http2::{self, GOAWAY},
    process::Process,
    terminal,
    tls::{Authority, Files, Secure, Trust},
    wire::LIST,
};

const SECOND: Duration = Duration::from_secs(1);
/// A ClientHello of TLS 1.1 (RFC 4346) with one cipher suite, and one extension without which no hello is read further.
const TLS_1_1: [u8; 60] = {
    let mut hello = [7; 60];
    let head = [22, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    // After the random bytes: no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression, signature_algorithms.
    let tail = [0, 0, 2, 0, 0x2f, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 1];
    at = 0;
    while at < tail.len() {
        hello[43 + at] = tail[at];
        at += 1;
    }
    hello
};

/// What the service sends until the end of a connection that begins with these bytes.
async fn answer(address: std::net::SocketAddr, begin: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(begin).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    ended.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_protocol_is_refused_clearly() {
    let secure = Secure::start(&[]).await;
    let address = secure.process.address;
    let text = "this port speaks TLS: use https://";

    let request = format!("GET {LIST} HTTP/1.1\r\nhost: x\r\n\r\n");
    let said = String::from_utf8(answer(address, request.as_bytes()).await).unwrap();
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert!(said.ends_with(&format!("\r\n\r\n{text}\n")), "{said}");
    secure.logs("the client spoke plain text").await;

    let mut stream = http2::connect(address).await;
    let payload = timeout(PATIENCE, http2::frame(&mut stream, GOAWAY)).await;
    assert_eq!(&payload.unwrap()[8..], text.as_bytes());
    // Each time, however its request and the answer to its connection cross.
    for _ in 0..10 {
        let list = terminal::command(address, &secure.key, &["list"]);
        let said = terminal::fail(list, 1).await;
        assert!(
            said.contains("it speaks TLS; use https:// in --url"),
            "{said}"
        );
    }

    // A fatal alert, protocol_version, and the end.
    let alert = answer(address, &TLS_1_1).await;
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 70]);

    let plain = Process::serve(&secure.database, &[]).await;
    let failed = secure.trust().connect(plain.address).await;
    assert!(failed.is_err());
    let logged = async || plain.log().contains("a client began a TLS handshake, but");
    eventually("it is logged", PATIENCE, logged).await;
    let log = secure.process.log();
    assert_eq!(log.matches("a TLS handshake failed").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_refuses_a_wrong_or_expired_certificate() {
    let secure = Secure::start(&[]).await;
    let other = Authority::new("another");
    let refused = Trust::new(&other).connect(secure.process.address).await;
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("UnknownIssuer"), "{why}");

    let secure = Secure::start_with(&[], |files, authority| {
        files.renew(&authority.expired("old"));
        Vec::new()
    })
    .await;
    secure.logs("the TLS certificate has expired").await;
    let ca = secure.files.path("ca.pem").display().to_string();
    let said = terminal::fail(secure.command(&["list", "--ca-file", &ca]), 1).await;
    assert!(said.contains("its certificate has expired"), "{said}");
}

/// Silent clients are cut off, and in the meantime they take no connection from others.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_silent_handshakes_delay_nobody() {
    // Other tests open files in this process too. Where the hard limit is low, fewer clients are silent, and still more
    // than the first service lets in.
    let silent_clients = match rlimit::increase_nofile_limit(u64::MAX).unwrap() {
        4096.. => 1000,
        _ => 300,
    };
    for most in ["--max-connections=100", "--max-connections=5000"] {
        let secure = Secure::start(&["--tls-handshake-timeout=5s", most]).await;
        let mut silent = Vec::new();
        for n in 0..silent_clients {
            let mut stream = TcpStream::connect(secure.process.address).await.unwrap();
            // Nothing at all, the beginning of a record, and all of it but its end.
            let begin = &TLS_1_1[..[0, 3, 45][n % 3]];
            stream.write_all(begin).await.unwrap();
            silent.push(stream);
        }
        let asked = Instant::now();
        assert!(secure.answers(&secure.trust()).await, "{most}");
        let took = asked.elapsed();
        assert!(took < 5 * SECOND, "{most}: {took:?}");
        for mut stream in silent {
            let ended = timeout(PATIENCE, stream.read(&mut [0])).await;
            assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
        }
        let connections = async || {
            let metrics = Http::new(secure.process.admin, "").get("/metrics").await;
            let metrics = String::from_utf8(metrics.body).unwrap();
            metrics.contains("\noutbound_tasks_connections 0\n")
        };
        eventually("all are closed", PATIENCE, connections).await;
        let log = secure.process.log();
        assert!(log.matches("a TLS handshake failed").count() <= 1, "{log}");
    }
}

/// Starts `serve` with these flags; it must fail with one sentence.
async fn refused(database: &Database, flags: &[String]) -> String {
    let mut all = vec![
        "serve",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
    ];
    all.extend(flags.iter().map(String::as_str));
    let output = timeout(10 * SECOND, database.run(&all, b"")).await;
    let output = output.expect("it ends by itself");
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_files_end_the_start() {
    let database = Database::new().await;
    let authority = Authority::new("an authority");
    let pair = authority.server("first");
    let files = Files::new(&pair, &authority);
    let [cert, key] = files.flags();
    let wanted = [
        ("cert.pem", "", "it contains no certificate in PEM form"),
        (
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nsecret-part",
            "it contains no private key in PEM form that is not encrypted",
        ),
        (
            "key.pem",
            &authority.server("x").key,
            "it is not the key of",
        ),
    ];
    for (name, text, why) in wanted {
        files.renew(&pair);
        files.write(name, text);
        let said = refused(&database, &[cert.clone(), key.clone()]).await;
        assert!(said.contains(name) && said.contains(why), "{said}");
        assert!(!said.contains("secret-part"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // Only regular files of a sensible size are read.
    files.renew(&pair);
    files.make_fifo("fifo.pem");
    files.write("large.pem", &" ".repeat((1 << 20) + 1));
    for (path, why) in [
        (files.path("fifo.pem"), "it is a FIFO, not a regular file"),
        ("/dev/zero".into(), "it is a device, not a regular file"),
        (
            std::env::temp_dir(),
            "it is a directory, not a regular file",
        ),
        (files.path("large.pem"), "it is larger than 1 MiB"),
    ] {
        let path = path.display();
        let wanted = format!("{path} cannot be used for TLS: {why}");
        for flag in ["--tls-cert", "--tls-key", "--tls-client-ca"] {
            let mut flags = vec![format!("{flag}={path}")];
            let pair = [("--tls-cert", &cert), ("--tls-key", &key)];
            let others = pair.iter().filter(|(name, _)| *name != flag);
            flags.extend(others.map(|(_, other)| (*other).clone()));
            let said = refused(&database, &flags).await;
            assert!(said.contains(&wanted), "{flag}: {said}");
        }
    }
    files.write("empty.pem", "");
    let ca = files.flag("--tls-client-ca", "empty.pem");
    let said = refused(&database, &[cert.clone(), key, ca]).await;
    assert!(said.contains("empty.pem"), "{said}");
    // One needs the other.
    for flag in [cert, "--admin-tls".to_owned()] {
        let said = refused(&database, &[flag]).await;
        assert!(said.contains("--tls-"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_beyond_loopback_is_warned_of_once() {
    let text = "is reachable from other machines without TLS";
    let secure = Secure::start(&[]).await;
    for (listen, is_tls, count) in [
        ("0.0.0.0:0", false, 1),
        ("0.0.0.0:0", true, 0),
        ("127.0.0.1:0", false, 0),
    ] {
        let flags = secure.files.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let flags = if is_tls { &flags[..] } else { &[] };
        let process = Process::serve_at(&secure.database, listen, flags).await;
        let local = ("127.0.0.1", process.address.port());
        TcpStream::connect(local).await.unwrap();
        let log = process.log();
        assert_eq!(log.matches(text).count(), count, "{listen}: {log}");
    }
}
