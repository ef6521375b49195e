//! `GET /api/v1/outboundtasks:export`: streams a list of any length as NDJSON, CSV or a workbook.

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt, future,
    stream::{iter, try_unfold},
};
use http::{HeaderValue, header};

use super::{
    outbound_tasks::Lists,
    parameters::{read_filter, read_order, read_target_limit, read_zone},
    query::Query,
};
use crate::{
    app::{
        Caller,
        export::{Encoder, ExportFormat, FileForm},
    },
    domain::export::ExportRequest,
    error::{Error, Result},
    request::stream::Deadline,
};

/// The content type of a workbook.
pub(crate) const WORKBOOK: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

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
        ExportFormat::Xlsx => (WORKBOOK, "attachment; filename=\"outboundtasks.xlsx\""),
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
    let zone = read_zone(&mut query, lists.time_zone);
    let form = FileForm {
        format: query.word("format"),
        times: query.word("time_format"),
        zone,
        bom: query.flag("bom"),
    };
    form.check(&mut query.violations);
    let request = ExportRequest {
        filter: read_filter(&mut query, zone).check("", &mut query.violations),
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
    let mut encoder = Encoder::new(form, false)?;
    let start = encoder.start();
    let (encoder, first) = encoder.batch_beside(first).await?;
    let rest = try_unfold(Some((encoder, batches)), async |state| {
        let Some((encoder, mut batches)) = state else {
            return Ok::<_, Error>(None);
        };
        Ok(Some(match batches.try_next().await? {
            Some(batch) => {
                let (encoder, bytes) = encoder.batch_beside(batch).await?;
                (Bytes::from(bytes), Some((encoder, batches)))
            }
            None => (Bytes::from(encoder.end()?), None),
        }))
    });
    let first = iter([Ok(Bytes::from(start)), Ok(Bytes::from(first))]);
    // The compression of a workbook does not give bytes for every batch.
    let bytes = first
        .chain(rest)
        .try_filter(|b| future::ready(!b.is_empty()));
    // After the headers, an error can only abort the stream. Clients can distinguish that from a complete response in
    // every version of HTTP.
    let bytes = bytes.inspect_err(|error| {
        tracing::warn!(
            cause = error.internal_cause(),
            "an export broke off: {error}"
        );
    });
    Ok((headers(form.format), Body::from_stream(bytes)).into_response())
}
