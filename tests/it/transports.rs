//! What the one port serves: gRPC, gRPC-Web with CORS, the JSON form, health, reflection, compression.

use http::Method;
use outbound_tasks::{
    pb::{ListOutboundTasksRequest, ListOutboundTasksResponse},
    server::Options,
};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, codec::CompressionEncoding};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::support::{
    server::{Server, options},
    tasks::bank_tasks,
};

const RPC: &str = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";

/// A client without the proto files: it asks for the descriptors, builds the call from them and makes it.
#[tokio::test(flavor = "multi_thread")]
async fn reflection_is_enough_to_make_the_call() {
    let server = Server::start().await;
    server.import(&bank_tasks()[..30]).await;
    let channel = server.channel().await;
    let v1 = files_by_v1(channel.clone()).await;
    let v1alpha = files_by_v1alpha(channel.clone()).await;
    assert_eq!(v1, v1alpha);
    let mut set = FileDescriptorSet::default();
    for file in v1 {
        set.file.push(FileDescriptorProto::decode(&*file).unwrap());
    }
    let pool = prost_reflect::DescriptorPool::from_file_descriptor_set(set).unwrap();
    let service = pool
        .get_service_by_name("outboundtasks.v1.OutboundTaskService")
        .unwrap();
    let method = service
        .methods()
        .find(|m| m.name() == "ListOutboundTasks")
        .unwrap();
    let mut message = prost_reflect::DynamicMessage::new(method.input());
    message.set_field_by_name("limit", prost_reflect::Value::I32(7));
    let (answer, _) = server
        .http()
        .grpc_web::<_, ListOutboundTasksResponse>(RPC, &message)
        .await;
    let answer = answer.unwrap();
    assert_eq!((answer.total, answer.tasks.len()), (30, 7));
}

async fn files_by_v1(channel: tonic::transport::Channel) -> Vec<Vec<u8>> {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let ask = |q| ServerReflectionRequest {
        message_request: Some(q),
        ..Default::default()
    };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "outboundtasks.v1.OutboundTaskService".into(),
        )),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/timestamp.proto".into(),
        )),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/field_mask.proto".into(),
        )),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/duration.proto".into(),
        )),
    ];
    let mut client = ServerReflectionClient::new(channel);
    let answers = client
        .server_reflection_info(tokio_stream::iter(questions))
        .await
        .unwrap();
    let mut answers = answers.into_inner();
    let mut files = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        match answer.message_response.unwrap() {
            MessageResponse::ListServicesResponse(list) => {
                let names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
                for service in [
                    "outboundtasks.v1.OutboundTaskService",
                    "outboundtasks.v1.KeyService",
                    "grpc.health.v1.Health",
                ] {
                    assert!(names.contains(&service.to_owned()), "{names:?}");
                }
            }
            MessageResponse::FileDescriptorResponse(file) => {
                files.extend(file.file_descriptor_proto)
            }
            other => panic!("{other:?}"),
        }
    }
    files
}

async fn files_by_v1alpha(channel: tonic::transport::Channel) -> Vec<Vec<u8>> {
    use tonic_reflection::pb::v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let ask = |q| ServerReflectionRequest {
        message_request: Some(q),
        ..Default::default()
    };
    let questions = [
        ask(MessageRequest::FileContainingSymbol(
            "outboundtasks.v1.OutboundTaskService".into(),
        )),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/timestamp.proto".into(),
        )),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/field_mask.proto".into(),
        )),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/duration.proto".into(),
        )),
    ];
    let mut client = ServerReflectionClient::new(channel);
    let answers = client
        .server_reflection_info(tokio_stream::iter(questions))
        .await
        .unwrap();
    let mut answers = answers.into_inner();
    let mut files = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        match answer.message_response.unwrap() {
            MessageResponse::FileDescriptorResponse(file) => {
                files.extend(file.file_descriptor_proto)
            }
            other => panic!("{other:?}"),
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_key() {
    let server = Server::start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in [
        "",
        "outboundtasks.v1.OutboundTaskService",
        "outboundtasks.v1.KeyService",
    ] {
        let ask = || HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut watch = health.watch(ask()).await.unwrap().into_inner();
        // The health status is NOT_SERVING until the first check of the database.
        while watch.message().await.unwrap().unwrap().status != 1 {}
        assert_eq!(health.check(ask()).await.unwrap().into_inner().status, 1);
    }
    let unknown = HealthCheckRequest {
        service: "nobody".into(),
    };
    assert_eq!(
        health.check(unknown).await.unwrap_err().code(),
        Code::NotFound
    );
}

/// A schema that lacks a migration is unhealthy, even while connections work.
#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_schema() {
    let server = Server::start().await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    while watch.message().await.unwrap().unwrap().status != 1 {}
    server.database.succeed(&["migrate", "revert"], b"").await;
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    server.database.succeed(&["migrate"], b"").await;
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_may_call_when_its_origin_is_allowed() {
    let allowed = "https://console.example.com";
    let these = |list: &[&str]| {
        outbound_tasks::server::Origins::These(list.iter().map(|o| o.parse().unwrap()).collect())
    };
    for (origins, ok) in [
        (outbound_tasks::server::Origins::Any, true),
        (these(&[allowed]), true),
        (these(&["https://elsewhere.example"]), false),
        (these(&[]), false),
    ] {
        let server = Server::start_with(Options {
            origins,
            ..options()
        })
        .await;
        let http = server.http();
        let preflight = [
            ("origin", allowed),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "content-type,x-grpc-web,x-api-key,authorization,grpc-timeout",
            ),
        ];
        let answer = http
            .send(Method::OPTIONS, RPC, &preflight, Vec::new())
            .await;
        let origin = answer.header("access-control-allow-origin").to_owned();
        assert_eq!(origin == "*" || origin == allowed, ok, "{origin}");
        if ok {
            let headers = answer.header("access-control-allow-headers").to_lowercase();
            for needed in [
                "x-api-key",
                "authorization",
                "x-grpc-web",
                "content-type",
                "grpc-timeout",
            ] {
                assert!(headers.contains(needed), "{headers}");
            }
        }
        let (message, headers) = http
            .grpc_web::<_, ListOutboundTasksResponse>(RPC, &ListOutboundTasksRequest::default())
            .await;
        assert!(message.is_some());
        assert_eq!(headers.contains_key("access-control-allow-origin"), ok);
        if ok {
            let exposed = headers["access-control-expose-headers"].to_str().unwrap();
            for needed in [
                "grpc-status",
                "grpc-message",
                "grpc-status-details-bin",
                "x-request-id",
            ] {
                assert!(exposed.contains(needed), "{exposed}");
            }
        }
    }
}

/// A browser reads the same status and details as every other client.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_can_read_every_error() {
    let server = Server::start().await;
    let bad = ListOutboundTasksRequest {
        limit: 5000,
        ..Default::default()
    };
    let (message, trailers) = server
        .http()
        .grpc_web::<_, ListOutboundTasksResponse>(RPC, &bad)
        .await;
    assert!(message.is_none());
    let status = tonic::Status::from_header_map(&trailers).unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(
        (&*violation.field, &*violation.description),
        ("limit", "must be 1 to 1000, was 5000")
    );
    assert_eq!(
        details.request_info().unwrap().request_id,
        trailers["x-request-id"].to_str().unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_when_the_client_asks() {
    let server = Server::start().await;
    server.import(&bank_tasks()[..200]).await;
    let request = ListOutboundTasksRequest {
        limit: 200,
        ..Default::default()
    };
    let plain = server
        .grpc()
        .await
        .list_outbound_tasks(server.request(request.clone()))
        .await
        .unwrap();
    assert!(plain.metadata().get("grpc-encoding").is_none());
    for (encoding, name) in [
        (CompressionEncoding::Gzip, "gzip"),
        (CompressionEncoding::Zstd, "zstd"),
    ] {
        let mut grpc = server
            .grpc()
            .await
            .accept_compressed(encoding)
            .send_compressed(encoding);
        let packed = grpc
            .list_outbound_tasks(server.request(request.clone()))
            .await
            .unwrap();
        assert_eq!(packed.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(packed.get_ref().tasks, plain.get_ref().tasks);

        let mut health = HealthClient::new(server.channel().await).accept_compressed(encoding);
        let checked = health.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(checked.metadata().get("grpc-encoding").unwrap(), name);

        // A browser sends a preflight request (CORS) first.
        let mut body = vec![0, 0, 0, 0, 3];
        body.extend(request.encode_to_vec());
        let headers = [
            ("content-type", "application/grpc-web+proto"),
            ("x-api-key", server.key.as_str()),
            ("accept-encoding", name),
        ];
        let web = server.http().send(Method::POST, RPC, &headers, body).await;
        assert_eq!(web.header("content-encoding"), name);

        let path = "/api/v1/outboundtasks?limit=200";
        let headers = [
            ("x-api-key", server.key.as_str()),
            ("accept-encoding", name),
        ];
        let answer = server
            .http()
            .send(Method::GET, path, &headers, Vec::new())
            .await;
        assert_eq!(answer.header("content-encoding"), name);
        let unpacked = match encoding {
            CompressionEncoding::Gzip => {
                let mut text = Vec::new();
                std::io::Read::read_to_end(
                    &mut flate2::read::GzDecoder::new(&answer.body[..]),
                    &mut text,
                )
                .unwrap();
                text
            }
            _ => zstd::decode_all(&answer.body[..]).unwrap(),
        };
        let json: serde_json::Value = serde_json::from_slice(&unpacked).unwrap();
        assert_eq!(json["tasks"].as_array().unwrap().len(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_a_request_id() {
    let server = Server::start().await;
    let http = server.http();
    for path in ["/api/v1/outboundtasks", "/nowhere"] {
        let own = [("x-request-id", "mine-1")];
        assert_eq!(
            http.send(Method::GET, path, &own, Vec::new())
                .await
                .header("x-request-id"),
            "mine-1"
        );
        let odd = "x".repeat(129);
        let fresh = http
            .send(Method::GET, path, &[("x-request-id", &odd)], Vec::new())
            .await;
        assert_eq!(fresh.header("x-request-id").len(), 36);
    }
    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
    ];
    let answer = http
        .send(Method::OPTIONS, RPC, &preflight, Vec::new())
        .await;
    assert_eq!(answer.header("x-request-id").len(), 36);
    let odd = [("content-type", "application/grpc-web+json")];
    let answer = http.send(Method::POST, RPC, &odd, Vec::new()).await;
    assert_eq!(answer.header("x-request-id").len(), 36);
    let mut grpc = server.grpc().await;
    let mut request = server.request(ListOutboundTasksRequest::default());
    request
        .metadata_mut()
        .insert("x-request-id", "mine-2".parse().unwrap());
    let answer = grpc.list_outbound_tasks(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "mine-2");
}
