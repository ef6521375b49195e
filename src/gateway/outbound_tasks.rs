//! `GET /api/v1/outboundtasks` and `GET /api/v1/outboundtasks/{task_id}`.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};
use chrono_tz::Tz;

use super::{
    json,
    parameters::{read_list, read_shown, read_task_id, read_time_format},
    query::Query,
};
use crate::{
    app::{App, Caller},
    error::Result,
};

/// The state of the handlers.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    pub(super) app: Arc<App>,
    /// The zone of bare dates in requests that name none.
    pub(super) time_zone: Tz,
}

/// Handles `GET /api/v1/outboundtasks`.
pub(super) async fn list(
    State(lists): State<Lists>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let mut query = Query::parse(query.as_deref().unwrap_or_default());
    let format = read_time_format(&mut query);
    let request = read_list(&mut query, lists.time_zone);
    let form = json::form(request.shown.fields, format);
    let answer = lists
        .app
        .task_list(&caller, request, query.into_violations(), form)
        .await?;
    Ok(json::response_of(answer))
}

/// Handles `GET /api/v1/outboundtasks/{task_id}`.
pub(super) async fn get_one(
    State(lists): State<Lists>,
    Extension(caller): Extension<Caller>,
    task_id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let mut query = Query::parse(query.as_deref().unwrap_or_default());
    let format = read_time_format(&mut query);
    let shown = read_shown(&mut query);
    let task_id = read_task_id(task_id, &mut query)?;
    let form = json::form(shown.fields, format);
    let task = lists
        .app
        .task_get(&caller, task_id, shown, query.into_violations(), form)
        .await?;
    Ok(json::response_of(task))
}
