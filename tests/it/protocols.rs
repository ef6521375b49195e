//! Requests that no protocol of the port can answer, and calls of what does not exist.

use http::Method;
use outbound_tasks::pb::{ListOutboundTasksRequest, ListOutboundTasksResponse};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    http::{Answer, Http, frame},
    server::Server,
    wire::RPC,
};

/// The kinds of content that calls have, and the version of HTTP that each needs.
const KINDS: [(&str, bool); 3] = [
    ("application/grpc", true),
    ("application/grpc-web+proto", true),
    ("application/grpc-web+proto", false),
];

async fn call(
    server: &Server,
    (kind, is_http2): (&str, bool),
    path: &str,
    more: &[(&str, &str)],
) -> Answer {
    let http = match is_http2 {
        true => Http::http2(server.address, &server.key),
        false => server.http(),
    };
    let mut headers = vec![
        ("content-type", kind),
        ("te", "trailers"),
        ("x-api-key", &server.key),
    ];
    headers.extend(more);
    let message = frame(&ListOutboundTasksRequest::default());
    http.send(Method::POST, path, &headers, message).await
}

/// UNIMPLEMENTED with the same facts as every other error.
fn unimplemented(answer: &Answer) -> Status {
    let status = Status::from_header_map(&answer.headers).unwrap();
    assert_eq!(status.code(), Code::Unimplemented);
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(
        (&*info.reason, &*info.domain),
        ("UNIMPLEMENTED", "outboundtasks.v1")
    );
    let id = &details.request_info().unwrap().request_id;
    assert_eq!(id, answer.header("x-request-id"));
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_that_does_not_exist_is_named() {
    let server = Server::start().await;
    for kind in KINDS {
        for path in [
            "/outboundtasks.v1.OutboundTaskService/ListCalls",
            "/outboundtasks.v2.OutboundTaskService/ListOutboundTasks",
            "/grpc.health.v1.Health/Probe",
            "/grpc.reflection.v1.ServerReflection/Probe",
            "/x",
        ] {
            let status = unimplemented(&call(&server, kind, path, &[]).await);
            let wanted =
                format!("there is no rpc {path}; server reflection lists all services and rpcs");
            assert_eq!(status.message(), wanted, "{kind:?}");
        }
        let path = format!("/{}/x", server.key);
        let status = unimplemented(&call(&server, kind, &path, &[]).await);
        assert!(!status.message().contains("otk_"), "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compression_that_is_not_read_is_answered_with_those_that_are() {
    let server = Server::start().await;
    for kind in KINDS {
        for path in [RPC, "/grpc.health.v1.Health/Check"] {
            for encoding in ["br", "deflate", "GZIP", "\u{e9}"] {
                let answer = call(&server, kind, path, &[("grpc-encoding", encoding)]).await;
                let status = unimplemented(&answer);
                assert!(
                    status.message().contains("grpc-accept-encoding"),
                    "{status:?}"
                );
                assert_eq!(answer.header("grpc-accept-encoding"), "gzip,zstd,identity");
            }
        }
    }
}

/// Media types may have parameters, and upper case (RFC 9110, section 8.3.1).
#[tokio::test(flavor = "multi_thread")]
async fn a_content_type_may_have_parameters() {
    let server = Server::start().await;
    for (kind, is_http2) in [
        ("application/grpc-web; charset=utf-8", false),
        ("application/grpc-web+proto;charset=utf-8", false),
        ("application/grpc-web+proto ; a=b; c=d", true),
        ("Application/gRPC-Web+Proto", false),
        ("application/grpc; charset=utf-8", true),
        ("application/grpc+proto;charset=utf-8", true),
    ] {
        let answer = call(&server, (kind, is_http2), RPC, &[]).await;
        let (message, trailers) = answer.unary::<ListOutboundTasksResponse>();
        assert!(message.is_some(), "{kind}: {trailers:?}");
        assert_eq!(trailers["grpc-status"], "0", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_no_protocol_gets_the_reason_as_text() {
    let server = Server::start().await;
    let kinds = "application/grpc-web+proto or application/grpc-web-text+proto";
    for is_http2 in [false, true] {
        for kind in [
            "application/grpc-web+json",
            "application/grpc-webx",
            "application/grpc-web;",
        ] {
            let answer = call(&server, (kind, is_http2), RPC, &[]).await;
            // Nothing but the parameters is missing in the last one.
            let status = if kind.ends_with(';') { 200 } else { 415 };
            assert_eq!(answer.status, status, "{kind}");
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(text.contains(kinds), status == 415, "{kind}: {text}");
        }
    }
    for (kind, is_http2) in KINDS {
        let http = match is_http2 {
            true => Http::http2(server.address, ""),
            false => server.http(),
        };
        let headers = [("content-type", kind), ("x-api-key", &server.key)];
        for method in [Method::GET, Method::PUT] {
            let answer = http.send(method, RPC, &headers, Vec::new()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("allow")),
                (405, "POST"),
                "{kind}"
            );
            assert!(answer.body.ends_with(b"need the method POST\n"), "{kind}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert!(!answer.header("x-request-id").is_empty());
        }
    }
}
