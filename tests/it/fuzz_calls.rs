//! The router, fuzzed: paths, query strings, keys, messages and files of imports. Whatever is sent, the service answers,
//! never with an error of its own, and names the field of a bad value.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use http::{Method, Uri};
use outbound_tasks::{
    app::import::{Import, ImportFormat, ImportProgress, OnConflict, ReadAs, Source},
    domain::{key::ApiKey, tenant::TenantId},
    error::{ErrorKind, Violation},
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use tonic::{Code, Status};

use crate::support::{
    TempDir,
    case::case,
    client,
    descriptor::rpcs,
    fuzz::Fuzz,
    http::{Answer, Http, read},
    server::Server,
    tasks::{Json, task},
    workbook::Parts,
};

/// What a URI cannot hold. A stray `%` can stand in one.
const NOT_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'#')
    .add(b'`')
    .add(b'\\')
    .add(b'^')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const SERVICE: &str = "/outboundtasks.v1.OutboundTaskService";

async fn server() -> Server {
    let server = Server::start().await;
    let statuses = ["pending", "running", "paused", "completed"];
    let tasks = statuses.iter().enumerate().map(|(n, status)| {
        let day = format!("2023-03-0{}", n + 1);
        task(&format!("t{n}"), &day, &day, status)
    });
    let mut tasks: Vec<_> = tasks.collect();
    tasks[1]["target"] = serde_json::json!(["c1", "c2", "客户"]);
    server.import(&tasks).await;
    server
}

/// Checks an answer of the HTTP form. Returns the fields of its violations.
fn check(answer: &Answer) -> Vec<String> {
    let said = String::from_utf8_lossy(&answer.body);
    assert!(
        !answer.status.is_server_error(),
        "{}: {said}",
        answer.status
    );
    if answer.status != 400 {
        return Vec::new();
    }
    let json = answer.json();
    let details = json["error"]["details"].as_array();
    let text = |detail: &Json, name: &str| detail[name].as_str().unwrap().to_owned();
    let fields = details.into_iter().flatten().map(|detail| {
        assert!(!text(detail, "description").is_empty(), "{said}");
        assert!(!text(detail, "reason").is_empty(), "{said}");
        text(detail, "field")
    });
    let fields: Vec<_> = fields.collect();
    assert!(!fields.is_empty(), "{said}");
    assert!(fields.iter().all(|field| !field.is_empty()), "{said}");
    fields
}

/// The same list from the next page on: all parameters but the page's.
fn next_page(query: &str, token: &str) -> String {
    let pairs = query.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap();
        let name = percent_decode_str(name).decode_utf8_lossy();
        !["page", "page_token"].contains(&&*name)
    });
    let mut query: String = pairs.map(|pair| format!("{pair}&")).collect();
    query += "page_token=";
    query + token
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_string_is_answered_or_its_field_named() {
    let server = server().await;
    let http = server.http();
    let mut fuzz = Fuzz::new("queries", []);
    while let Some(input) = fuzz.next() {
        let path = format!("/{}", percent_encode(&input, NOT_IN_URI));
        if path.parse::<Uri>().is_err() {
            continue;
        }
        let key = [("x-api-key", &*server.key)];
        let head = http
            .open(Method::GET, &path, &key, Vec::new())
            .await
            .unwrap();
        let kind = head.headers().get("content-type").cloned();
        // A watch does not end.
        if kind
            .as_ref()
            .is_some_and(|kind| kind == "text/event-stream")
        {
            assert_eq!(head.status(), 200);
            fuzz.outcome(&input, "watch".into());
            continue;
        }
        let answer = read(head).await.unwrap();
        let fields = check(&answer);
        let mut shape = String::new();
        if answer.status == 200 && kind.is_some_and(|kind| kind == "application/json") {
            let json = answer.json();
            shape = json.as_object().unwrap().keys().cloned().collect();
            if let (Some(token), Some((path, query))) =
                (json["next_page_token"].as_str(), path.split_once('?'))
                && !token.is_empty()
            {
                let next = http
                    .get(&format!("{path}?{}", next_page(query, token)))
                    .await;
                assert_eq!(next.status, 200, "the next page: {}", next.json());
            }
        }
        fuzz.outcome(&input, format!("{} {fields:?} {shape}", answer.status));
    }
    server.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_key_is_unauthenticated() {
    let server = server().await;
    let keyless = Http::new(server.address, "");
    let tenant = TenantId::parse("demo").unwrap();
    let (_, unknown) = ApiKey::generate(&tenant).unwrap();
    let mut fuzz = Fuzz::new("keys", [server.key.clone(), unknown.clone()].map(Vec::from));
    while let Some(input) = fuzz.next() {
        // The parameter counts as absent if it is empty.
        let text = std::str::from_utf8(&input);
        let parsed = text.ok().and_then(ApiKey::parse);
        if let Some(key) = &parsed {
            let text = text.unwrap();
            assert!(
                [&server.key, &unknown].contains(&&text.to_owned()),
                "a damaged key is read"
            );
            assert!(text.contains(key.id.as_str()));
        }
        let encoded = percent_encode(&input, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/api/v1/outboundtasks?limit=1&api_key={encoded}");
        let none: [(&str, &str); 0] = [];
        let answer = keyless.send(Method::GET, &path, &none, Vec::new()).await;
        let wanted = match text == Ok(&server.key) {
            true => 200,
            false => 401,
        };
        let said = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, wanted, "{said}");
        fuzz.outcome(&input, parsed.is_some().to_string());
    }
    server.assert_serves().await;
}

/// The status of a call, after a check of it.
fn checked(answer: &Answer) -> String {
    let (_, trailers) = answer.unary::<()>();
    let status = Status::from_header_map(&trailers).expect("an answer has a status");
    let own = [
        Code::Internal,
        Code::Unknown,
        Code::Unavailable,
        Code::DataLoss,
    ];
    assert!(!own.contains(&status.code()), "{status:?}");
    match status.code() {
        Code::InvalidArgument => {
            let fields = client::fields(&status);
            assert!(
                !fields.is_empty() && fields.iter().all(|f| !f.is_empty()),
                "{status:?}"
            );
            format!("{fields:?}")
        }
        code => format!("{code:?}"),
    }
}

/// Inputs are a line with the rpc, the transport and whether the framing is right, and the message's bytes.
#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_answered_or_its_field_named() {
    let server = server().await;
    let [web, grpc] = [
        Http::new(server.address, ""),
        Http::http2(server.address, ""),
    ];
    let seeds = rpcs().into_iter().flat_map(|rpc| {
        let case = case(&rpc.name);
        [
            (" web", case.message.clone()),
            ("", case.message),
            (" raw", case.bad.0.clone()),
            ("", case.bad.0),
        ]
        .map(|(how, message)| [rpc.name.as_bytes(), how.as_bytes(), b"\n", &message].concat())
    });
    let mut fuzz = Fuzz::new("messages", seeds);
    while let Some(input) = fuzz.next() {
        let mut parts = input.splitn(2, |byte| *byte == b'\n');
        let line = String::from_utf8_lossy(parts.next().unwrap()).into_owned();
        let message = parts.next().unwrap_or_default();
        let words: Vec<_> = line.split(' ').collect();
        let name: String = words[0]
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let mut body = message.to_vec();
        if !words.contains(&"raw") {
            let length = (message.len() as u32).to_be_bytes();
            body = [&[0], &length[..], message].concat();
        }
        let (http, kind) = match words.contains(&"web") {
            true => (&web, "application/grpc-web+proto"),
            false => (&grpc, "application/grpc"),
        };
        let mut headers = vec![
            ("x-api-key", &*server.key),
            ("content-type", kind),
            ("te", "trailers"),
        ];
        // A watch does not end by itself.
        if name.starts_with("Watch") {
            headers.push(("grpc-timeout", "50m"));
        }
        let path = format!("{SERVICE}/{name}");
        let answer = http.send(Method::POST, &path, &headers, body).await;
        let outcome = checked(&answer);
        fuzz.outcome(&input, format!("{name} {outcome}"));
    }
    server.assert_serves().await;
}

/// Collects the fields of bad records.
#[derive(Default)]
struct Fields(Mutex<BTreeSet<String>>);

impl ImportProgress for Fields {
    fn size(&self, _: u64) {}
    fn read(&self, _: u64) {}
    fn loaded(&self, _: u64) {}
    fn read_as(&self, _: ReadAs) {}

    fn bad(&self, _: u64, _: u64, violations: &[Violation]) {
        assert!(!violations.is_empty() && violations.iter().all(|v| !v.field.is_empty()));
        let fields = violations.iter().map(|v| v.field.clone());
        self.0.lock().unwrap().extend(fields);
    }
}

/// The tasks of an export. Each version of a task has another etag.
fn tasks(export: &Answer) -> Vec<Json> {
    let lines = export.body.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty()).map(|line| {
        let mut task: Json = serde_json::from_slice(line).unwrap();
        assert!(task.as_object_mut().unwrap().remove("etag").is_some());
        task
    });
    lines.collect()
}

/// Inputs are a line with the format, and the file; of a workbook, the XML of its rows.
#[tokio::test(flavor = "multi_thread")]
async fn every_import_is_loaded_or_its_field_named() {
    let server = Server::start().await;
    let tenant = TenantId::parse("demo").unwrap();
    let directory = TempDir::new();
    let file = directory.0.join("tasks");
    let import = async |format, rejects: bool, bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let import = Import {
            format,
            on_conflict: OnConflict::Replace,
            rejects: rejects.then(|| directory.0.join("rejects")),
            ..Import::new(Source::File(file.clone()))
        };
        let fields = Arc::new(Fields::default());
        let done = server
            .app
            .task_import(&tenant, import, fields.clone(), std::future::pending());
        let done = done.await;
        let fields = fields.0.lock().unwrap().clone();
        (done, fields)
    };
    let export = async || {
        server
            .http()
            .get("/api/v1/outboundtasks:export?order_by=task_id")
            .await
    };
    let mut fuzz = Fuzz::new("imports", []);
    while let Some(input) = fuzz.next() {
        let mut parts = input.splitn(2, |byte| *byte == b'\n');
        let line = parts.next().unwrap();
        let format = match line.get(..3) {
            Some(b"csv") => ImportFormat::Csv,
            Some(b"jso") => ImportFormat::Json,
            Some(b"wor") => ImportFormat::Workbook,
            _ => ImportFormat::Ndjson,
        };
        let mut file = parts.next().unwrap_or_default().to_vec();
        if let ImportFormat::Workbook = format {
            file = Parts::default().workbook(&String::from_utf8_lossy(&file));
        }
        let (done, fields) = import(format, line.ends_with(b"rejects"), &file).await;
        let outcome = match done {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");
                error.kind().name()
            }
            Ok(report) if report.loaded.tasks == 0 => "nothing",
            Ok(report) => {
                // What is loaded is exported, and the export is what a further import and export write.
                let first = export().await;
                check(&first);
                let (again, _) = import(ImportFormat::Ndjson, false, &first.body).await;
                assert_eq!(again.unwrap().loaded, report.loaded);
                assert_eq!(tasks(&export().await), tasks(&first));
                server.database.execute("DELETE FROM tasks").await;
                "loaded"
            }
        };
        fuzz.outcome(&input, format!("{format:?} {outcome} {fields:?}"));
    }
    server.assert_serves().await;
}
