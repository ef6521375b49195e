//! `GET /api/v1/outboundtasks:watch`: a watch as Server-Sent Events.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

use super::{
    outbound_tasks::Lists,
    parameters::{read_filter, read_shown, read_time_format, read_zone},
    query::Query,
};
use crate::{
    app::{
        Caller, WatchEnd, WatchForm, WatchFormat, WatchMessage, WatchShape,
        json::{OutboundTask, Time, TimeFormat},
    },
    domain::{
        fields::TaskFields,
        task::Task,
        watch::{ChangeKind, WatchRequest},
        words::Word,
    },
    error::{Error, ErrorKind, ErrorReason, Result},
    request::{LAST_EVENT_ID, stream::Deadline},
};

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // nginx would otherwise buffer the events.
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

/// Handles one watch.
pub(super) async fn watch(
    State(lists): State<Lists>,
    Extension(caller): Extension<Caller>,
    Extension(deadline): Extension<Deadline>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    // Only a browser that reconnects by itself sends this header.
    let resumes = headers.contains_key(LAST_EVENT_ID);
    match begin(lists, caller, deadline, &headers, query).await {
        Ok(response) => response,
        Err(error) if resumes => come_back(error),
        Err(error) => error.into_response(),
    }
}

/// Renders an error for a browser that reconnects. `EventSource` gives up on any error status but reconnects when a
/// stream ends. A temporary error is therefore rendered as an empty stream with a retry delay. That the address has sent
/// too many wrong keys is not temporary for this browser, because a valid key would have been accepted.
pub(super) fn come_back(error: Error) -> Response {
    let is_temporary = match error.kind() {
        ErrorKind::Unavailable => true,
        ErrorKind::ResourceExhausted => {
            error.retry_after().is_some() && error.reason() != ErrorReason::TooManyFailedKeys.name()
        }
        _ => false,
    };
    if !is_temporary {
        return error.into_response();
    }
    error.log();
    let after = error.retry_after().unwrap_or_default().as_millis();
    (HEADERS, format!("retry: {after}\n\n")).into_response()
}

async fn begin(
    lists: Lists,
    caller: Caller,
    deadline: Deadline,
    headers: &HeaderMap,
    query: Option<String>,
) -> Result<Response> {
    let mut query = Query::parse(query.as_deref().unwrap_or_default());
    let times = read_time_format(&mut query);
    let shown = read_shown(&mut query);
    let in_url = query.one("resume_token").unwrap_or_default();
    let resume_token = match headers.get(LAST_EVENT_ID) {
        // A browser repeats the original URL when it reconnects, so the header takes precedence.
        Some(last) => String::from_utf8_lossy(last.as_bytes()).into_owned(),
        None => in_url,
    };
    let zone = read_zone(&mut query, lists.time_zone);
    let request = WatchRequest {
        filter: read_filter(&mut query, zone).check("", &mut query.violations),
        skip_initial: query.flag("skip_initial"),
        resume_token,
        shown,
    };
    let violations = query.into_violations();
    let end = WatchEnd {
        at: deadline.at,
        is_callers: deadline.is_callers,
    };
    let form = Box::new(Data {
        fields: shown.fields,
        times,
    });
    let messages = lists.app.task_watch(caller, request, violations, form, end);
    let events = messages.await?.map_ok(move |message| text(&message, times));
    // The client reconnects however a watch ends, and then learns whether it may. Browsers also reconnect after an
    // aborted stream, which other clients can distinguish from a normal end.
    let events = events.inspect_err(|error| {
        tracing::debug!(cause = error.internal_cause(), "a watch ended: {error}");
    });
    Ok((HEADERS, Body::from_stream(events)).into_response())
}

/// Writes changes as the data of server-sent events.
struct Data {
    fields: TaskFields,
    times: TimeFormat,
}

impl WatchForm for Data {
    fn shape(&self) -> WatchShape {
        WatchShape {
            format: WatchFormat::Json(self.times),
            fields: self.fields,
        }
    }

    fn write(&self, _: ChangeKind, task_id: &str, task: Option<Task>) -> Bytes {
        let task = task.as_ref();
        let task = task.map(|task| OutboundTask::new(task, self.fields, self.times));
        json(&Change { task_id, task }).into()
    }

    fn has_tokens(&self) -> bool {
        true // a browser processes events one by one, and drops the one that the connection broke in
    }
}

/// The data of an event about one task; a removed task has only its id.
#[derive(Serialize)]
struct Change<'a> {
    task_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<OutboundTask<'a>>,
}

/// The data of a heartbeat: the time up to which all changes are sent.
#[derive(Serialize)]
struct Heartbeat {
    as_of: Option<Time>,
}

/// Renders a message as events. The id of an event is the resume token after it; initial tasks have none.
fn text(message: &WatchMessage, times: TimeFormat) -> Vec<u8> {
    let WatchMessage {
        changes,
        resume_token,
        as_of,
        list_again,
        fresh,
    } = message;
    let mut text = Vec::new();
    // An empty id makes the browser drop its token, so that it reconnects without one.
    if *fresh {
        push_event("reset", Some(""), b"{}", &mut text);
    }
    if *list_again {
        push_event("list_again", Some(""), b"{}", &mut text);
    } else if changes.is_empty() {
        let beat = Heartbeat {
            as_of: as_of.map(|at| Time(at, times)),
        };
        push_event("heartbeat", Some(resume_token), &json(&beat), &mut text);
    }
    for change in changes {
        let id = Some(&*change.resume_token).filter(|token| !token.is_empty());
        push_event(change.kind.word(), id, &change.written, &mut text);
    }
    text
}

/// JSON on a single line, as server-sent events require; line breaks in strings are escaped.
fn json(data: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(data).expect("these types have no fallible part and no map keys but strings")
}

fn push_event(name: &str, id: Option<&str>, data: &[u8], out: &mut Vec<u8>) {
    out.extend(b"event: ");
    out.extend(name.bytes());
    if let Some(id) = id {
        out.extend(b"\nid: ");
        out.extend(id.bytes());
    }
    out.extend(b"\ndata: ");
    out.extend(data);
    out.extend(b"\n\n");
}
