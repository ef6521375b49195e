//! The OpenAPI 3.1 document of what the port serves as plain HTTP: the GET form, and every rpc by `POST`.
//!
//! The paths of the rpcs and the schemas of their messages come from the descriptor of the contract, with its comments, so a
//! new rpc needs nothing here but an example. The GET form has a table, `get_form`, with the words and limits of the
//! domain. Tests compare both with the running service.

mod answers;
mod examples;
mod get_form;
mod parameters;
mod parts;
mod rpcs;
mod schemas;

use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use serde_json::{Value, json};

use crate::pb;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let text = serde_json::to_vec(&document()).expect("JSON with strings as keys can be written");
    text.into()
});

/// The document. It is written once, at the first request for it.
pub fn json() -> Bytes {
    DOCUMENT.clone()
}

/// The files of the contract that belong to this API.
fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET)
        .expect("the descriptor is encoded by this crate's build script");
    let files = set.file.into_iter();
    files
        .filter(|file| file.package().starts_with("outboundtasks."))
        .collect()
}

fn document() -> Value {
    let files = files();
    let mut paths = get_form::paths();
    let mut schemas = schemas::of(&files);
    schemas.append(&mut answers::schemas());
    paths.append(&mut rpcs::paths(&files));
    schemas.append(&mut rpcs::schemas());
    let mut responses = get_form::errors();
    responses.append(&mut rpcs::errors());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "outbound-tasks",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The outbound-call tasks of a call centre: which there are, in which status, and how far they are.",
            "description": "Paths under `/api/` read, and take their parameters from the URL. The other paths call the rpcs \
                of the contract with JSON, by the Connect protocol. Both have the same limits.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "GET form", "description": "Reads by GET. Every violation of a request is reported, not just the first."},
            {"name": "rpcs", "description": "Reads and writes by POST with JSON. Streams need gRPC or gRPC-Web."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key",
                    "description": "A key, as `otk_…`; `keys create` makes one."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
                "query": {"type": "apiKey", "in": "query", "name": "api_key",
                    "description": "The same key; a header wins. Proxies write query strings into their logs."},
            },
        },
    })
}
