//! The Connect protocol's JSON, fuzzed: bodies of every unary rpc of every service. Whatever is sent, the service answers,
//! never with an error of its own, and names the field of a bad value.

use prost_reflect::DynamicMessage;

use crate::support::{
    case::case,
    connect::{SERVICE, detail, post_with},
    descriptor::{all_rpcs, rpcs},
    fuzz::Fuzz,
    http::Answer,
    server::Server,
    tasks::task,
};

/// Keys: what the other service of the contract is asked.
const KEYS: [&str; 3] = [
    r#"/outboundtasks.v1.KeyService/CreateKey
{"name":"k","scopes":["KEY_SCOPE_READ"],"expiresIn":"60s","rate":"5/s","cost":"2s/s"}"#,
    r#"/outboundtasks.v1.KeyService/ListKeys
{"limit":2,"pageToken":""}"#,
    r#"/outboundtasks.v1.KeyService/RevokeKey
{"keyId":"nobody"}"#,
];

/// The code of an answer, and the fields of its violations.
fn checked(answer: &Answer) -> String {
    let said = String::from_utf8_lossy(&answer.body);
    if answer.status == 200 {
        return answer.json().as_object().unwrap().keys().cloned().collect();
    }
    let json = answer.json();
    let code = json["code"].as_str().unwrap().to_owned();
    let own = ["internal", "unknown", "unavailable", "data_loss"];
    assert!(!own.contains(&&*code), "{said}");
    if code != "invalid_argument" {
        return code;
    }
    let violations = detail(answer, "google.rpc.BadRequest");
    let fields = violations["field_violations"].as_array().unwrap().iter();
    let fields: Vec<_> = fields.map(|v| v["field"].as_str().unwrap()).collect();
    assert!(!fields.is_empty(), "{said}");
    assert!(fields.iter().all(|field| !field.is_empty()), "{said}");
    format!("{fields:?}")
}

/// Inputs are a line with the path of the rpc, and the body.
#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_answered_or_its_field_named() {
    let server = Server::start().await;
    server
        .import(&[task("t0", "2023-03-01", "2023-03-01", "pending")])
        .await;
    let http = server.http();
    let unary: Vec<_> = all_rpcs()
        .into_iter()
        .filter(|rpc| !rpc.is_stream)
        .collect();
    let seeds = rpcs().into_iter().filter(|rpc| !rpc.is_stream);
    let seeds = seeds.flat_map(|rpc| {
        let case = case(&rpc.name);
        // Some bad messages are no messages at all.
        let messages = [case.message, case.bad.0]
            .into_iter()
            .filter_map(|bytes| DynamicMessage::decode(rpc.input.clone(), &*bytes).ok());
        let bodies = messages.map(|message| serde_json::to_string(&message).unwrap());
        let inputs = bodies.map(|body| format!("{SERVICE}/{}\n{body}", rpc.name).into_bytes());
        inputs.collect::<Vec<_>>()
    });
    let keys = KEYS.map(|input| input.as_bytes().to_vec());
    let mut fuzz = Fuzz::new("documents", seeds.chain(keys));
    while let Some(input) = fuzz.next() {
        let mut parts = input.splitn(2, |byte| *byte == b'\n');
        let line = parts.next().unwrap();
        // Only the body is damaged: messages with other paths are those of `every_message_is_answered_or_its_field_named`.
        let Some(rpc) = unary.iter().find(|rpc| rpc.path.as_bytes() == line) else {
            continue;
        };
        let answer = post_with(&http, &rpc.path, &[], parts.next().unwrap_or_default()).await;
        let outcome = checked(&answer);
        fuzz.outcome(&input, format!("{} {outcome}", rpc.name));
    }
    server.assert_serves().await;
}
