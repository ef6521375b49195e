//! The HTTP gateway: parses query strings, calls [`app`](crate::app), renders JSON. It also serves the files of the console
//! and of the API's description.

pub mod console;
mod docs;
mod error;
mod export;
mod files;
mod fixed;
mod json;
mod landing;
mod outbound_tasks;
mod parameters;
mod query;
mod quota;
mod targets;
mod watch;

use std::sync::Arc;

use axum::{Router, routing::get};
use http::StatusCode;

pub(crate) use export::WORKBOOK;

use crate::{
    app::App,
    request::{EXPORT, Framing, QUOTA, Resumes, TimeoutHeader, Transport, WATCH},
    telemetry::CallTransport,
};

/// How the gateway reads keys and renders errors.
pub const TRANSPORT: Transport = Transport {
    name: CallTransport::Http,
    is_grpc: false,
    framing: Framing::Prefixed, // the gateway reads no bodies
    timeout: TimeoutHeader::Grpc,
    key: query::key,
    // A browser that reconnects to a watch needs an answer that it understands; see
    // `watch::come_back`.
    render: |error, Resumes(resumes)| match resumes {
        true => watch::come_back(error),
        false => error::render(error),
    },
    // HTTP has no trailers that clients read, so the response is aborted, and the log has the
    // error.
    cut: |error| {
        error.log();
        None
    },
};

/// The routes of the gateway and the console. `time_zone` is the zone of bare dates in requests that name none.
pub fn routes(app: Arc<App>, time_zone: chrono_tz::Tz) -> Router {
    let lists = outbound_tasks::Lists { app, time_zone };
    Router::new()
        .route("/api/v1/outboundtasks", get(outbound_tasks::list))
        .route(
            "/api/v1/outboundtasks/{task_id}",
            get(outbound_tasks::get_one),
        )
        .route(
            "/api/v1/outboundtasks/{task_id}/targets",
            get(targets::list),
        )
        .route(EXPORT, get(export::export))
        .route(WATCH, get(watch::watch))
        .route(QUOTA, get(quota::get))
        .merge(console::routes())
        .merge(docs::routes())
        .merge(landing::routes())
        .with_state(lists)
        // axum's own answers for these two have no body; callers get the same JSON as for any
        // error.
        .method_not_allowed_fallback(async || {
            error::plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "only GET is allowed here",
            )
        })
        .fallback(async || {
            error::plain(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "nothing is served at this path",
            )
        })
}
