//! Limits of one client: streams, headers, memory. Other clients do not notice.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use http::Method;
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::support::{
    eventually,
    http::Http,
    http2::{self, HEADERS, RST_STREAM, SETTINGS},
    server::Server,
    wire::{LIST, RPC},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_on_the_wire_hold_the_limits() {
    let server = Server::start().await;
    let mut stream = http2::connect(server.address).await;
    let settings = timeout(SECOND, http2::frame(&mut stream, SETTINGS))
        .await
        .unwrap();
    let value = |wanted: u16| {
        let mut all = settings.chunks(6).map(|s| {
            (
                u16::from_be_bytes([s[0], s[1]]),
                u32::from_be_bytes([s[2], s[3], s[4], s[5]]),
            )
        });
        all.find(|(id, _)| *id == wanted).map(|(_, value)| value)
    };
    let (streams, window, headers) = (value(3), value(4), value(6));
    assert_eq!(
        (streams, window, headers),
        (Some(100), Some(65_536), Some(16_384))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_or_too_large_headers_are_refused() {
    let server = Server::start().await;
    let clients = [
        Http::new(server.address, ""),
        Http::http2(server.address, ""),
    ];
    let names: Vec<String> = (0..5000).map(|n| format!("x-{n}")).collect();
    let large = "v".repeat(1024);
    let many: Vec<_> = names.iter().map(|name| (&**name, "v")).collect();
    let long: Vec<_> = names[..64].iter().map(|name| (&**name, &*large)).collect();
    for (version, http) in clients.iter().enumerate() {
        for (what, headers) in [("5,000 headers", &many), ("64 KiB", &long)] {
            let mut headers = headers.clone();
            headers.push(("x-api-key", &server.key));
            let sent = http.try_send(Method::GET, LIST, &headers, Vec::new());
            // The refusal is an answer, or the end of the stream where the client still writes.
            if let Ok(answer) = timeout(5 * SECOND, sent).await.unwrap() {
                assert_eq!(answer.status, 431, "{what} over HTTP/{}", version + 1);
            }
        }
    }
    server.assert_serves().await;
}

/// Opens streams and resets them at once, again and again.
async fn reset_streams(server: &Server, count: u32) -> std::io::Result<()> {
    let mut stream = http2::connect(server.address).await;
    let block = http2::block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", LIST),
        (":authority", "x"),
        ("x-api-key", &server.key),
    ]);
    for n in 0..count {
        let id = (2 * n + 1).to_be_bytes();
        let mut frames = vec![0, 0, block.len() as u8, HEADERS, 5];
        frames.extend(id);
        frames.extend(&block);
        frames.extend([0, 0, 4, RST_STREAM, 0]);
        frames.extend(id);
        frames.extend(8_u32.to_be_bytes());
        stream.write_all(&frames).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_opened_and_reset_by_the_thousand_do_not_harm_other_callers() {
    let server = Server::start().await;
    let attackers = async {
        for _ in 0..5 {
            // The server may close the attacker's connection.
            let _ = reset_streams(&server, 1000).await;
        }
    };
    let others = async {
        for n in 0..100 {
            let began = Instant::now();
            server.assert_serves().await;
            assert!(began.elapsed() < 2 * SECOND, "{n}: {:?}", began.elapsed());
        }
    };
    tokio::join!(attackers, others);
    let free = async || server.app.pool_status().0 == 0;
    eventually("no connection is left in use", 2 * SECOND, free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_limited_by_its_unpacked_size() {
    let server = Server::start().await;
    let zeros = vec![0; 16 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&zeros).unwrap();
    let zstd = zstd::encode_all(&zeros[..], 1).unwrap();
    let plain = zeros[..300 << 10].to_vec();
    let http = Http::http2(server.address, "");
    for (encoding, message) in [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd),
        ("identity", plain),
    ] {
        for content_type in ["application/grpc", "application/grpc-web"] {
            let mut body = vec![u8::from(encoding != "identity")];
            body.extend((message.len() as u32).to_be_bytes());
            body.extend(&message);
            let headers = [
                ("content-type", content_type),
                ("te", "trailers"),
                ("grpc-encoding", encoding),
                ("x-api-key", &*server.key),
            ];
            let answer = http.send(Method::POST, RPC, &headers, body).await;
            let status = answer.header("grpc-status");
            assert_eq!(
                status, "8",
                "{encoding}, {content_type}: {:?}",
                answer.headers
            );
        }
    }
    server.assert_serves().await;
}
