//! `GET /api/v1/outboundtasks:export`: streams a list of any length as NDJSON or CSV.

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderValue, header};

use super::{
    outbound_tasks::Lists,
    parameters::{read_filter, read_order, read_target_limit, read_time_format},
    query::Query,
};
use crate::{
    app::{
        Caller,
        export::{ExportFormat, csv::Csv},
        json::{OutboundTask, TimeFormat, push_line},
    },
    domain::{
        export::{ExportRequest, ExportedTask},
        fields::TaskFields,
    },
    error::Result,
    request::stream::Deadline,
};

/// The headers of an export. `attachment` makes a browser save it as a file; it never shows a
/// task's texts as a page.
fn headers(format: ExportFormat) -> [(http::HeaderName, HeaderValue); 3] {
    let (kind, file) = match format {
        ExportFormat::Ndjson => (
            "application/x-ndjson",
            "attachment; filename=\"outboundtasks.ndjson\"",
        ),
        ExportFormat::Csv => (
            "text/csv; charset=utf-8",
            "attachment; filename=\"outboundtasks.csv\"",
        ),
    };
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(file)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}

/// Handles one export request.
pub(super) async fn export(
    State(lists): State<Lists>,
    Extension(caller): Extension<Caller>,
    Extension(deadline): Extension<Deadline>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let mut query = Query::parse(query.as_deref().unwrap_or_default());
    let format = query.word("format");
    let times = read_time_format(&mut query);
    let request = ExportRequest {
        filter: read_filter(&mut query, lists.time_zone).check("", &mut query.violations),
        order: read_order(&mut query),
        target_limit: read_target_limit(&mut query),
    };
    // Everything that is wrong is known before the first row is read: afterwards there is no status
    // left to send.
    let violations = query.into_violations();
    let mut batches = lists
        .app
        .task_export(&caller, request, violations, Some(deadline.at))
        .await?;
    // The first batch is fetched before the headers are sent, so that an early error still gets its own status.
    let first = batches.try_next().await?.unwrap_or_default();
    let first = text(&first, format, times, true)?;
    let rest = batches.map(move |batch| text(&batch?, format, times, false));
    let text = futures_util::stream::iter([Ok(first)]).chain(rest);
    // After the headers, an error can only abort the stream. Clients can distinguish that from a complete response in
    // every version of HTTP.
    let text = text.inspect_err(|error| {
        tracing::warn!(
            cause = error.internal_cause(),
            "an export broke off: {error}"
        );
    });
    Ok((headers(format), Body::from_stream(text)).into_response())
}

/// Renders a batch. In CSV, the header line precedes the first batch.
fn text(
    batch: &[ExportedTask],
    format: ExportFormat,
    times: TimeFormat,
    is_first: bool,
) -> Result<Vec<u8>> {
    match format {
        ExportFormat::Ndjson => {
            let mut lines = Vec::new();
            for exported in batch {
                let task = OutboundTask::new(&exported.task, TaskFields::default(), times);
                push_line(&task, &mut lines);
            }
            Ok(lines)
        }
        ExportFormat::Csv => {
            let csv = Csv {
                time: times.write(),
                results: false,
            };
            let mut rows = match is_first {
                true => csv.header().to_owned(),
                false => String::new(),
            };
            for exported in batch {
                csv.row(exported, &mut rows)?;
            }
            Ok(rows.into_bytes())
        }
    }
}
