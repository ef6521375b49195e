//! `GET /api/v1/outboundtasks:watch`: a watch as Server-Sent Events.

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

use super::{
    outbound_tasks::{Lists, read_filter, read_shown, read_time_format},
    query::Query,
};
use crate::{
    app::{
        Caller, WatchEnd, WatchMessage,
        json::{OutboundTask, Time, TimeFormat},
    },
    domain::{fields::TaskFields, watch::WatchRequest},
    error::{Error, ErrorKind, Result},
    request::{LAST_EVENT_ID, stream::Deadline},
};

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // nginx would gather the events.
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

/// Answers one watch.
pub(super) async fn watch(
    State(lists): State<Lists>,
    Extension(caller): Extension<Caller>,
    Extension(deadline): Extension<Deadline>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let resumes = headers.contains_key(LAST_EVENT_ID);
    match begin(lists, caller, deadline, &headers, query).await {
        Ok(response) => response,
        Err(error) if resumes => come_back(error),
        Err(error) => error.into_response(),
    }
}

/// The error of a watch that a browser connects again. The browser gives up at any error, but comes back where the
/// events end; so an error that passes is answered with no events.
pub(super) fn come_back(error: Error) -> Response {
    if error.kind() != ErrorKind::Unavailable {
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
        // The URL stays as it was when a browser connects again.
        Some(last) => String::from_utf8_lossy(last.as_bytes()).into_owned(),
        None => in_url,
    };
    let request = WatchRequest {
        filter: read_filter(&mut query, lists.time_zone).check("", &mut query.faults),
        skip_initial: query.flag("skip_initial"),
        resume_token,
        shown,
    };
    let faults = query.into_faults();
    let end = WatchEnd {
        at: deadline.at,
        is_callers: deadline.is_callers,
    };
    let messages = lists.app.task_watch(caller, request, faults, end).await?;
    let events = messages.map_ok(move |message| text(&message, shown.fields, times));
    // Whatever ends a watch, the caller connects again, and is then told why not if it may not.
    let events = events
        .inspect_err(|error| {
            tracing::debug!(cause = error.internal_cause(), "a watch ended: {error}")
        })
        .take_while(|event| std::future::ready(event.is_ok()));
    Ok((HEADERS, Body::from_stream(events)).into_response())
}

#[derive(Serialize)]
struct Change<'a> {
    task_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<OutboundTask<'a>>,
}

#[derive(Serialize)]
struct Heartbeat {
    as_of: Option<Time>,
}

/// A message as events. The last one alone carries the token, which holds for all of them.
fn text(message: &WatchMessage, fields: TaskFields, times: TimeFormat) -> String {
    let WatchMessage {
        changes,
        resume_token,
        as_of,
        list_again,
    } = message;
    let mut text = String::new();
    if *list_again {
        // An empty id makes a browser forget the token: it begins anew.
        push_event("list_again", Some(""), &serde_json::json!({}), &mut text);
    } else if changes.is_empty() {
        let beat = Heartbeat {
            as_of: as_of.map(|at| Time(at, times)),
        };
        push_event("heartbeat", Some(resume_token), &beat, &mut text);
    }
    for (place, change) in changes.iter().enumerate() {
        let is_last = place + 1 == changes.len() && !resume_token.is_empty();
        let data = Change {
            task_id: &change.task_id,
            task: (change.task.as_ref()).map(|task| OutboundTask::new(task, fields, times)),
        };
        let id = is_last.then_some(&**resume_token);
        push_event(change.kind.word(), id, &data, &mut text);
    }
    text
}

fn push_event(name: &str, id: Option<&str>, data: &impl Serialize, out: &mut String) {
    // One line: JSON escapes what breaks one.
    let data = serde_json::to_string(data).expect("these types have no map and no fallible part");
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    out.push_str(&format!("event: {name}\n{id}data: {data}\n\n"));
}
