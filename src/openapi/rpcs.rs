//! The rpcs by `POST`: every unary one of the contract.

use prost_types::FileDescriptorProto;
use serde_json::{Map, Value, json};

use super::{
    examples,
    parts::{Comments, object, reference, summary},
};

/// The numbers of fields in `google/protobuf/descriptor.proto`, from which paths of comments are made.
const SERVICES: i32 = 6;
const METHODS: i32 = 2;

/// The statuses of errors and the codes that have them.
const ERRORS: [(&str, &str); 11] = [
    (
        "400",
        "`invalid_argument`: a field is wrong; `google.rpc.BadRequest` names each. `failed_precondition`: the state of \
        the task does not allow the call",
    ),
    (
        "401",
        "`unauthenticated`: no key, or one that is unknown, expired or revoked",
    ),
    ("403", "`permission_denied`: the key lacks the scope"),
    ("404", "`not_found`: the tenant has no such task"),
    (
        "409",
        "`already_exists`: the task_id is taken. `aborted`: the etag is stale, or the idempotency_key was used for another \
        request",
    ),
    (
        "415",
        "`unimplemented`: another content type than application/json and application/proto",
    ),
    (
        "429",
        "`resource_exhausted`: the message is above 256 KiB, or a quota is used up; then Retry-After says until when",
    ),
    (
        "500",
        "`internal`: a defect of the service; the request id names the log entry",
    ),
    (
        "501",
        "`unimplemented`: a content-encoding that the service does not read",
    ),
    (
        "503",
        "`unavailable`: the database is away, or the service is overloaded or stopping; Retry-After says when to try again",
    ),
    ("504", "`deadline_exceeded`: the deadline passed"),
];

fn component(status: &str) -> String {
    format!("Rpc{status}")
}

/// The responses of errors.
pub(super) fn errors() -> Map<String, Value> {
    let schema = reference("schemas", "RpcError");
    object(ERRORS.map(|(status, about)| {
        let content = json!({"application/json": {"schema": schema.clone()}});
        (
            component(status),
            json!({"description": about, "content": content}),
        )
    }))
}

/// The schema of an error.
pub(super) fn schemas() -> Map<String, Value> {
    object([(
        "RpcError",
        json!({
            "type": "object",
            "description": "An error as the Connect protocol writes it.",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "description": "The code of gRPC in lower case."},
                "message": {"type": "string", "description": "What is wrong, in English."},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["type", "value"],
                        "properties": {
                            "type": {"type": "string", "description": "The name of a message, as `google.rpc.BadRequest`."},
                            "value": {"type": "string", "contentEncoding": "base64",
                                "description": "The message as protobuf, in base64 without padding."},
                            "debug": {"description": "The message as JSON."},
                        },
                    },
                },
            },
        }),
    )])
}

/// The path of every unary rpc.
pub(super) fn paths(files: &[FileDescriptorProto]) -> Map<String, Value> {
    let mut paths = Map::new();
    for file in files {
        let comments = Comments::of(file);
        for (s, service) in (0..).zip(&file.service) {
            for (m, method) in (0..).zip(&service.method) {
                if method.client_streaming() || method.server_streaming() {
                    continue;
                }
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let about = comments.at(&[SERVICES, s, METHODS, m]);
                let name = |full: &str| full.rsplit('.').next().unwrap_or_default().to_owned();
                let input = name(method.input_type());
                let output = name(method.output_type());
                paths.insert(path, post(method.name(), about, &input, &output));
            }
        }
    }
    paths
}

fn post(rpc: &str, about: &str, input: &str, output: &str) -> Value {
    let binary = json!({"schema": {"type": "string", "format": "binary"}});
    let mut request = json!({"schema": reference("schemas", input)});
    if let Some(example) = examples::of(rpc) {
        request["example"] = example;
    }
    let answer = json!({"schema": reference("schemas", output)});
    let mut responses = object([(
        "200",
        json!({
            "description": "The response message.",
            "headers": {
                "X-Request-Id": {"schema": {"type": "string"}, "description": "The id of the call in the log."},
                "Idempotent-Replayed": {"schema": {"type": "string"},
                    "description": "`true` if the answer is that of an earlier call with the same idempotency_key."},
            },
            "content": {"application/json": answer, "application/proto": binary.clone()},
        }),
    )]);
    responses.extend(ERRORS.map(|(status, _)| {
        let response = reference("responses", &component(status));
        (status.to_owned(), response)
    }));
    json!({
        "post": {
            "operationId": rpc,
            "tags": ["rpcs"],
            "summary": summary(about),
            "description": about,
            "security": [{"header": []}, {"bearer": []}],
            "parameters": [
                {"name": "Connect-Timeout-Ms", "in": "header", "required": false,
                    "schema": {"type": "integer", "minimum": 10, "maximum": 9_999_999_999_u64},
                    "description": "The deadline of the call in milliseconds."},
            ],
            "requestBody": {
                "required": true,
                "description": "The request message, of at most 256 KiB. Fields may also be named in lowerCamelCase.",
                "content": {"application/json": request, "application/proto": binary},
            },
            "responses": responses,
        },
    })
}
