//! Callers without a key: what answers them takes little from the others.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::{HeaderValue, Method};
use tonic::{Request, metadata::MetadataValue};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use crate::support::{http::Http, server::Server};

/// Contents that need no key are compressed once, and what differs from caller to caller is not compressed at all.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_compressed_anew_for_a_caller_without_a_key() {
    let server = Server::start().await;
    let http = Http::new(server.address, "");
    let get = async |path: &str, accepted: &str| {
        let headers = [("accept-encoding", accepted)];
        http.send(Method::GET, path, &headers, Vec::new()).await
    };
    let path = "/openapi.json";
    let plain = get(path, "identity").await;
    assert_eq!(plain.header("vary"), "accept-encoding");
    for accepted in ["gzip", "br, GZIP;q=0.5", "zstd,gzip ; q=1"] {
        let packed = get(path, accepted).await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{accepted}");
        let mut unpacked = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(&*packed.body);
        std::io::Read::read_to_end(&mut gzip, &mut unpacked).unwrap();
        assert!(unpacked == plain.body, "{accepted}");
    }
    for accepted in ["", "zstd", "br, deflate", "gzip;q=0", "*;q=0"] {
        let answer = get(path, accepted).await;
        let encoding = answer.headers.get("content-encoding");
        assert!(
            encoding.is_none() && answer.body == plain.body,
            "{accepted}"
        );
    }
    for path in ["/api/v1/outboundtasks", "/nowhere", "/"] {
        let answer = get(path, "gzip, zstd").await;
        let encoding: Option<&HeaderValue> = answer.headers.get("content-encoding");
        assert_eq!(encoding, None, "{path}");
    }
}

/// Reflection answers 40 bytes by 100 KB. All its answers together pass at a limited rate, and none is compressed.
#[tokio::test(flavor = "multi_thread")]
async fn reflection_is_answered_at_a_limited_rate() {
    const STREAMS: usize = 8;
    const QUESTIONS: usize = 25;
    let server = Server::start().await;
    let began = Instant::now();
    let streams = (0..STREAMS).map(async |_| {
        let symbol = "outboundtasks.v1.OutboundTaskService".to_owned();
        let question = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::FileContainingSymbol(symbol)),
        };
        let mut request = Request::new(tokio_stream::iter(vec![question; QUESTIONS]));
        let gzip = MetadataValue::from_static("gzip");
        request.metadata_mut().insert("grpc-accept-encoding", gzip);
        let mut client = ServerReflectionClient::new(server.channel().await);
        let answer = client.server_reflection_info(request).await.unwrap();
        assert!(answer.metadata().get("grpc-encoding").is_none());
        let (mut answers, mut bytes) = (answer.into_inner(), 0);
        while let Some(answer) = answers.message().await.unwrap() {
            bytes += prost::Message::encoded_len(&answer);
        }
        bytes
    });
    let bytes: usize = join_all(streams).await.into_iter().sum();
    assert!(bytes > STREAMS * QUESTIONS * 50_000, "{bytes}");
    // Whole milliseconds are waited for each.
    let least = bytes / (16 * 1024) - STREAMS * QUESTIONS;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(least as u64), "{took:?}");
}
