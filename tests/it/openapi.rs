//! The OpenAPI document, compared with the running service; the page of the viewer; what `/` says.

use std::{collections::BTreeSet, fs};

use http::Method;
use outbound_tasks::pb::TaskStatus;
use serde_json::json;

use crate::support::{
    client::{Client, new_task, way_to},
    connect::post_with,
    descriptor::all_rpcs,
    http::{Answer, Http, read},
    keys::id_of,
    pages::root,
    schema::{self, check},
    server::Server,
    tasks::Json,
};

async fn document(server: &Server) -> Json {
    // It needs no key.
    let answer = Http::new(server.address, "")
        .send(Method::GET, "/openapi.json", &[], Vec::new())
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

/// A server with the tasks that the examples name.
async fn server() -> Server {
    let server = Server::start().await;
    fill(&server, TaskStatus::Pending).await;
    server
}

async fn fill(server: &Server, status: TaskStatus) {
    server.database.execute("DELETE FROM tasks").await;
    let client = Client::new(server).await;
    for id in ["march-1", "march-2"] {
        client.create(new_task(id, &["c-1001", "c-1002"])).await;
        for step in way_to(status) {
            client.acted(*step, id).await;
        }
    }
}

/// The GET operations by path.
fn gets(document: &Json) -> Vec<(String, Json)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let gets = paths.filter_map(|(path, item)| Some((path.clone(), item.get("get")?.clone())));
    gets.collect()
}

fn parameters(operation: &Json) -> &Vec<Json> {
    operation["parameters"].as_array().unwrap()
}

fn name(parameter: &Json) -> &str {
    parameter["name"].as_str().unwrap()
}

/// The query string with the example of a parameter; `None` if it has none.
fn example(parameter: &Json) -> Option<String> {
    let name = name(parameter);
    let text = |value: &Json| match value {
        Json::String(text) => text.replace('+', "%2B"),
        other => other.to_string(),
    };
    Some(match parameter.get("example")? {
        Json::Array(values) if parameter["explode"] == false => {
            let values: Vec<String> = values.iter().map(text).collect();
            format!("{name}={}", values.join(","))
        }
        Json::Array(values) => {
            let pairs = values.iter().map(|value| format!("{name}={}", text(value)));
            pairs.collect::<Vec<_>>().join("&")
        }
        value => format!("{name}={}", text(value)),
    })
}

/// Reads the answer; of a watch, which does not end, the head.
async fn get(server: &Server, path: &str) -> (u16, Option<Answer>) {
    let key = [("x-api-key", &*server.key)];
    let head = server
        .http()
        .open(Method::GET, path, &key, Vec::new())
        .await;
    let head = head.unwrap();
    let status = head.status().as_u16();
    match head.headers().get("content-type") {
        Some(kind) if kind == "text/event-stream" => (status, None),
        _ => (status, Some(read(head).await.unwrap())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole_and_always_the_same() {
    let server = Server::start().await;
    let first = document(&server).await;
    assert_eq!(first["openapi"], "3.1.0");
    assert_eq!(first["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document(&server.beside().await).await, first);
    schema::check_references(&first);
    // Every operation and every parameter says what it is.
    for (path, item) in first["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for text in ["operationId", "summary", "description"] {
                let text = operation[text].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{method} {path}");
            }
            for parameter in parameters(operation) {
                let about = parameter["description"].as_str().unwrap_or_default();
                assert!(!about.is_empty(), "{method} {path} {parameter}");
            }
        }
    }
}

/// Each path has the parameters that the service knows there, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn the_parameters_are_those_of_the_service() {
    let server = server().await;
    let document = document(&server).await;
    let gets = gets(&document);
    assert!(gets.len() >= 6, "{}", gets.len());
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (_, operation) in &gets {
        let of_query = parameters(operation).iter().filter(|p| p["in"] == "query");
        names.extend(of_query.map(|parameter| name(parameter).to_owned()));
    }
    // Each name that the gateway reads is in the document, so that no parameter is missing everywhere.
    for file in fs::read_dir(root().join("src/gateway")).unwrap() {
        let code = fs::read_to_string(file.unwrap().path()).unwrap();
        for call in ["one", "many", "all", "word", "number", "flag"] {
            for after in code.split(&format!("query.{call}(\"")).skip(1) {
                let read = after.split('"').next().unwrap();
                assert!(names.contains(read), "{read} is not in the document");
            }
        }
    }
    for (path, operation) in &gets {
        let path = path.replace("{task_id}", "march-1");
        let mut known = BTreeSet::new();
        for name in &names {
            // `zzz` is unknown everywhere, so each answer is an error that names what else is wrong.
            let (status, answer) = get(&server, &format!("{path}?zzz=1&{name}=1")).await;
            assert_eq!(status, 400, "{path} {name}");
            let json = answer.unwrap().json();
            let details = json["error"]["details"].as_array().unwrap();
            let is_unknown = details
                .iter()
                .any(|detail| detail["field"] == **name && detail["reason"] == "UNKNOWN_PARAMETER");
            if !is_unknown {
                known.insert(name.clone());
            }
        }
        let of_query = parameters(operation).iter().filter(|p| p["in"] == "query");
        let wanted: BTreeSet<String> = of_query.map(|p| name(p).to_owned()).collect();
        assert_eq!(known, wanted, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_of_a_parameter_is_answered() {
    let server = server().await;
    let document = document(&server).await;
    for (path, operation) in gets(&document) {
        let path = path.replace("{task_id}", "march-1");
        let of_query = parameters(&operation).iter().filter(|p| p["in"] == "query");
        let mut queries = vec![String::new()];
        for parameter in of_query {
            match example(parameter) {
                Some(query) => queries.push(query),
                // A token cannot be written down.
                None => assert!(name(parameter).ends_with("_token"), "{path} {parameter}"),
            }
        }
        for query in queries {
            // These two are for one format.
            let query = match query.starts_with("bom=") {
                true => format!("{query}&format=csv"),
                false => query,
            };
            let (status, answer) = get(&server, &format!("{path}?{query}")).await;
            let said = answer
                .as_ref()
                .map(|answer| String::from_utf8_lossy(&answer.body));
            assert_eq!(status, 200, "{path}?{query}: {said:?}");
            let content = &operation["responses"]["200"]["content"];
            if let (Some(answer), Some(json)) = (answer, content.get("application/json")) {
                check(&document, &json["schema"], &answer.json(), &path);
            }
        }
    }
}

/// Values outside of what the document says are refused: the limits are those of the service.
#[tokio::test(flavor = "multi_thread")]
async fn the_limits_are_those_of_the_service() {
    let server = server().await;
    let document = document(&server).await;
    let mut checked = 0;
    for (path, operation) in gets(&document) {
        let path = path.replace("{task_id}", "march-1");
        for parameter in parameters(&operation).iter().filter(|p| p["in"] == "query") {
            let name = name(parameter);
            let schema = &parameter["schema"];
            let item = schema.get("items").unwrap_or(schema);
            let mut outside = Vec::new();
            let mut inside = Vec::new();
            for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
                if let Some(bound) = schema[bound].as_i64() {
                    outside.push((bound + beyond).to_string());
                    inside.push(bound.to_string());
                }
            }
            if let Some(most) = item["maxLength"].as_u64() {
                outside.push("x".repeat(most as usize + 1));
                inside.push("x".repeat(most as usize));
            }
            if let Some(words) = item["enum"].as_array() {
                outside.push("nonsense".to_owned());
                inside.extend(words.iter().map(|word| word.as_str().unwrap().to_owned()));
            }
            for value in outside {
                let value = percent_encoding::utf8_percent_encode(
                    &value,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                let (status, answer) = get(&server, &format!("{path}?{name}={value}")).await;
                assert_eq!(status, 400, "{path}?{name}={value}");
                let json = answer.unwrap().json();
                let field = json["error"]["details"][0]["field"].as_str().unwrap();
                assert!(field.starts_with(name), "{json}");
                checked += 1;
            }
            for value in inside {
                let value = percent_encoding::utf8_percent_encode(
                    &value,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                // Local times and a mark of the encoding are for CSV.
                let csv = if path.ends_with(":export") {
                    "&format=csv"
                } else {
                    ""
                };
                let csv = if name == "format" { "" } else { csv };
                let (status, _) = get(&server, &format!("{path}?{name}={value}{csv}")).await;
                assert_eq!(status, 200, "{path}?{name}={value}");
            }
        }
    }
    assert!(checked > 40, "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unary_rpc_is_in_the_document_with_an_example_that_works() {
    let server = server().await;
    let document = document(&server).await;
    let paths = document["paths"].as_object().unwrap();
    let posts: BTreeSet<&str> = (paths.iter())
        .filter(|(_, item)| item.get("post").is_some())
        .map(|(path, _)| path.as_str())
        .collect();
    let all = all_rpcs();
    let unary = || all.iter().filter(|rpc| !rpc.is_stream);
    assert_eq!(posts, unary().map(|rpc| rpc.path.as_str()).collect());
    for rpc in unary() {
        fill(
            &server,
            match &*rpc.name {
                "PauseOutboundTask" | "CompleteOutboundTask" => TaskStatus::Running,
                "ResumeOutboundTask" => TaskStatus::Paused,
                _ => TaskStatus::Pending,
            },
        )
        .await;
        let operation = &paths[&rpc.path]["post"];
        let content = &operation["requestBody"]["content"]["application/json"];
        let mut example = content["example"].clone();
        assert!(example.is_object(), "{} has no example", rpc.name);
        check(&document, &content["schema"], &example, &rpc.name);
        if rpc.name == "RevokeKey" {
            // The ids of keys are random.
            example["key_id"] = id_of(&server.another_key("demo").await).into();
        }
        let answer = post_with(&server.http(), &rpc.path, &[], example.to_string()).await;
        let json = answer.json();
        assert_eq!(answer.status, 200, "{}: {json}", rpc.name);
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        check(&document, schema, &json, &rpc.name);
        // What it says of errors holds too.
        let answer = post_with(&server.http(), &rpc.path, &[], r#"{"nonsense": 1}"#).await;
        assert_eq!(answer.status, 400, "{}", rpc.name);
        let error = &document["components"]["responses"]["Rpc400"]["content"]["application/json"];
        check(&document, &error["schema"], &answer.json(), &rpc.name);
    }
    let answer = server.http().list("limit=0").await;
    let error = &document["components"]["responses"]["Get400"]["content"]["application/json"];
    check(&document, &error["schema"], &answer.json(), "an error");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_says_what_is_where() {
    let server = Server::start().await;
    let http = Http::new(server.address, "");
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, is_html) in [
        (None, false),
        (Some("*/*"), false),
        (Some("application/json"), false),
        (Some("application/json, text/html"), false),
        (Some("text/html"), true),
        (Some(browser), true),
    ] {
        let headers: Vec<_> = accept.iter().map(|accept| ("accept", *accept)).collect();
        let answer = http.send(Method::GET, "/", &headers, Vec::new()).await;
        assert_eq!(answer.status, 200);
        let varies = answer.headers.get_all("vary");
        assert!(varies.iter().any(|name| name == "accept"), "{accept:?}");
        if is_html {
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            let page = String::from_utf8(answer.body).unwrap();
            assert!(page.contains("<a href=\"/openapi.json\">"), "{page}");
            continue;
        }
        let json = answer.json();
        assert_eq!(json["service"], "outbound-tasks");
        for link in json["links"].as_array().unwrap() {
            let path = link["path"].as_str().unwrap();
            let there = server.http().get(path).await;
            let missing = json!("nothing is served at this path");
            let is_missing = there.status == 404
                && serde_json::from_slice::<Json>(&there.body)
                    .is_ok_and(|json| json["error"]["message"] == missing);
            assert!(!is_missing, "{path}");
        }
    }
}

/// Scripts and styles come from this host alone, and nothing is written into the page.
#[tokio::test(flavor = "multi_thread")]
async fn the_viewer_is_served_with_a_strict_policy() {
    let server = Server::start().await;
    let http = server.http();
    let moved = http.get("/docs").await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location")),
        (308, "/docs/")
    );
    let page = http.get("/docs/").await;
    let policy = page.header("content-security-policy");
    for wanted in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(wanted), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(page.body).unwrap();
    if page.status == 404 {
        // A build without Node.js has no viewer, and says so.
        assert!(text.contains("make console"), "{text}");
        return;
    }
    let mut files = text
        .split("src=\"")
        .skip(1)
        .chain(text.split("href=\"").skip(1));
    for file in files.by_ref().map(|after| after.split('"').next().unwrap()) {
        // The page has no icon.
        if file == "data:," {
            continue;
        }
        let answer = http.get(&format!("/docs/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(
            answer.header("cache-control").contains("immutable"),
            "{file}"
        );
    }
}
