//! The GET form: its paths, their parameters, answers and errors.

use serde_json::{Map, Value, json};

use super::{
    parameters::{
        filter, flag, id, in_path, limit, order, page_token, parameter, repeated, shown,
        target_limit, time_format, with_default, words,
    },
    parts::{object, reference},
};
use crate::{
    app::export::{ExportFormat, FileTimes},
    domain::{
        limits::{DEFAULT_LIMIT, DEFAULT_PARTS},
        list::CountMode,
        target::TargetState,
        words::Word,
    },
};

const LIST: &str = "/api/v1/outboundtasks";

/// The statuses of errors.
const ERRORS: [(&str, &str); 11] = [
    (
        "400",
        "A parameter is unknown or wrong. `details` names each.",
    ),
    ("401", "No key, or one that is unknown, expired or revoked."),
    ("403", "The key lacks the scope `read`."),
    ("404", "The tenant has no such task."),
    (
        "409",
        "An export to CSV holds a customer id with `;`, or one to a workbook a text that is too long for a cell; or a watch with `attention` matches more than 1,000 tasks.",
    ),
    (
        "414",
        "The URL is longer than 64 KiB. This answer has no body.",
    ),
    (
        "429",
        "A quota is used up; or too many calls without a valid key came from this address. Retry-After says until when.",
    ),
    (
        "431",
        "The headers are longer than 64 KiB, or there are more than 100. This answer has no body.",
    ),
    (
        "500",
        "A defect of the service; `request_id` names the log entry.",
    ),
    (
        "503",
        "The database is away, or the service is overloaded or stopping. Retry-After says when to try again.",
    ),
    ("504", "The deadline passed before the response was ready."),
];

/// A path with its parameters and the contents of its answer by their types.
struct Path {
    path: String,
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    parameters: Vec<Value>,
    answers: Vec<(&'static str, Value)>,
}

/// The paths.
pub(super) fn paths() -> Map<String, Value> {
    let text = || json!({"schema": {"type": "string"}});
    let of = |schema: &str| {
        vec![(
            "application/json",
            json!({"schema": reference("schemas", schema)}),
        )]
    };
    let list = Path {
        path: LIST.to_owned(),
        id: "listTasks",
        summary: "One page of the tasks that match",
        about: "All filters hold together. `total` is exact, and from the same snapshot as the page.",
        parameters: [
            vec![
                parameter(
                    "page",
                    json!({"type": "integer", "format": "int64", "minimum": 1, "default": 1}),
                    "The number of the page, at any depth. Cannot be combined with `page_token`.",
                    json!(2),
                ),
                limit(DEFAULT_LIMIT),
                page_token(),
                parameter(
                    "count",
                    with_default(words::<CountMode>(), CountMode::default().word()),
                    "`none`: the answer has no `total`.",
                    json!("none"),
                ),
                flag(
                    "status_counts",
                    "Adds the number of tasks of each status, without the filter `status`.",
                ),
                flag(
                    "attention_counts",
                    "Adds the number of tasks of each kind of attention, without the filter `attention`.",
                ),
                flag(
                    "target_sums",
                    "Adds up the targets of all tasks that match, in each state. Each of these tasks is read.",
                ),
                time_format(),
            ],
            filter(),
            order(),
            shown(),
        ]
        .concat(),
        answers: of("TaskPage"),
    };
    let one = Path {
        path: format!("{LIST}/{{task_id}}"),
        id: "getTask",
        summary: "One task",
        about: "A task of another tenant is not found.",
        parameters: [vec![in_path(), time_format()], shown()].concat(),
        answers: of("Task"),
    };
    let targets = Path {
        path: format!("{LIST}/{{task_id}}/targets"),
        id: "listTargets",
        summary: "One page of the customers of a task",
        about: "The customers and the results of the calls to them, in the order of the task.",
        parameters: vec![
            in_path(),
            parameter(
                "state",
                repeated(words::<TargetState>(), None),
                "Only customers with one of these results. Words may also stand in one parameter with commas between them.",
                json!(["busy", "no_answer"]),
            ),
            parameter(
                "customer_id",
                id(),
                "Only this customer; the whole id.",
                json!("c-1001"),
            ),
            limit(DEFAULT_PARTS),
            page_token(),
            time_format(),
        ],
        answers: of("TargetPage"),
    };
    let export = Path {
        path: format!("{LIST}:export"),
        id: "exportTasks",
        summary: "Every task that matches, as a file",
        about: "One answer from one snapshot. It is complete, or it visibly breaks off.",
        parameters: [
            vec![
                parameter(
                    "format",
                    with_default(words::<ExportFormat>(), ExportFormat::default().word()),
                    "The form of the file.",
                    json!("csv"),
                ),
                parameter(
                    "time_format",
                    with_default(words::<FileTimes>(), FileTimes::default().word()),
                    "How times are written; `local` for CSV only.",
                    json!("compact"),
                ),
                flag("bom", "Begins CSV with a byte order mark, by which Excel recognizes UTF-8. For CSV only."),
                target_limit(),
            ],
            filter(),
            order(),
        ]
        .concat(),
        answers: vec![
            ("application/x-ndjson", text()),
            ("text/csv", text()),
            (
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                json!({"schema": {"type": "string", "format": "binary"}}),
            ),
        ],
    };
    let resume_token = "The id of the last event that was received; the header Last-Event-ID does the same and wins.";
    let watch = Path {
        path: format!("{LIST}:watch"),
        id: "watchTasks",
        summary: "The tasks that match and every change of them",
        about: "Server-Sent Events: `reset`, `initial`, `created`, `changed`, `removed`, `heartbeat`, `list_again`. The answer \
            does not end by itself.",
        parameters: [
            vec![
                flag("skip_initial", "Sends only changes."),
                parameter(
                    "resume_token",
                    json!({"type": "string"}),
                    resume_token,
                    Value::Null,
                ),
                time_format(),
            ],
            filter(),
            shown(),
        ]
        .concat(),
        // Programs disagree whether a schema here is of the stream or of each event, so there is none.
        answers: vec![("text/event-stream", json!({}))],
    };
    let quota = Path {
        path: "/api/v1/quota".to_owned(),
        id: "getQuota",
        summary: "The quotas of the key and its tenant",
        about: "It is not counted against any quota.",
        parameters: Vec::new(),
        answers: of("Quotas"),
    };
    let paths = [list, one, targets, export, watch, quota];
    paths.into_iter().map(get).collect()
}

fn get(path: Path) -> (String, Value) {
    let of_task = path.path.contains("{task_id}");
    let errors = ERRORS.into_iter().filter(|(status, _)| match *status {
        "404" => of_task,
        "409" => ["exportTasks", "watchTasks"].contains(&path.id),
        _ => true,
    });
    let mut responses = object([(
        "200",
        json!({
            "description": path.summary,
            "headers": {"X-Request-Id": {"schema": {"type": "string"}, "description": "The id of the call in the log."}},
            "content": object(path.answers),
        }),
    )]);
    responses.extend(errors.map(|(status, _)| {
        let response = reference("responses", &component(status));
        (status.to_owned(), response)
    }));
    let operation = json!({
        "get": {
            "operationId": path.id,
            "tags": ["GET form"],
            "summary": path.summary,
            "description": path.about,
            "security": [{"header": []}, {"bearer": []}, {"query": []}],
            "parameters": path.parameters,
            "responses": responses,
        },
    });
    (path.path, operation)
}

fn component(status: &str) -> String {
    format!("Get{status}")
}

/// The responses of errors.
pub(super) fn errors() -> Map<String, Value> {
    let schema = reference("schemas", "Error");
    object(ERRORS.map(|(status, about)| {
        let mut response = json!({"description": about});
        // Those of the HTTP library have no body.
        if !matches!(status, "414" | "431") {
            response["content"] = json!({"application/json": {"schema": schema.clone()}});
        }
        (component(status), response)
    }))
}
