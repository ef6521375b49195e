//! Calls by the Connect protocol.

use http::Method;

use super::{
    http::{Answer, Http},
    server::Server,
    tasks::Json,
};

pub const SERVICE: &str = "/outboundtasks.v1.OutboundTaskService";

/// Calls an rpc with a JSON body and further headers.
pub async fn post_with(
    http: &Http,
    rpc: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let mut all = vec![("x-api-key", &*http.key)];
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        all.push(("content-type", "application/json"));
    }
    all.extend(headers);
    let path = match rpc.starts_with('/') {
        true => rpc.to_owned(),
        false => format!("{SERVICE}/{rpc}"),
    };
    http.send(Method::POST, &path, &all, body.as_ref().to_vec())
        .await
}

/// Calls an rpc with a JSON body, as curl does.
pub async fn post(server: &Server, rpc: &str, body: &Json) -> Answer {
    post_with(&server.http(), rpc, &[], body.to_string()).await
}

/// The `debug` of a detail of an error.
pub fn detail(answer: &Answer, kind: &str) -> Json {
    let json = answer.json();
    let details = json["details"].as_array().unwrap();
    let found = details.iter().find(|detail| detail["type"] == kind);
    found.map_or(Json::Null, |detail| detail["debug"].clone())
}

/// The violations of an error: field, reason and description.
pub fn violations(answer: &Answer) -> Vec<[String; 3]> {
    let json = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &json["code"]),
        (400, &"invalid_argument".into()),
        "{json}"
    );
    let request = detail(answer, "google.rpc.BadRequest");
    let violations = request["field_violations"].as_array().unwrap().iter();
    let text = |violation: &Json, name: &str| violation[name].as_str().unwrap().to_owned();
    violations
        .map(|v| ["field", "reason", "description"].map(|name| text(v, name)))
        .collect()
}

/// The fields of the violations.
pub fn fields(answer: &Answer) -> Vec<String> {
    let violations = violations(answer).into_iter();
    violations.map(|[field, _, _]| field).collect()
}
