//! `GET /api/v1/outboundtasks/{task_id}/targets`.

use axum::{
    Extension,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};

use super::{
    json,
    outbound_tasks::Lists,
    parameters::{read_task_id, read_time_format},
    query::Query,
};
use crate::{
    app::{Caller, TargetListRequest},
    domain::{limits::MAX_LIMIT, target::TargetState, words::Word},
    error::{Reason, Result},
    redaction::excerpt,
};

/// Handles one page of a task's targets.
pub(super) async fn list(
    State(lists): State<Lists>,
    Extension(caller): Extension<Caller>,
    task_id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let mut query = Query::parse(query.as_deref().unwrap_or_default());
    let format = read_time_format(&mut query);
    let states = read_states(&mut query);
    let limit = query.number("limit", 1..=MAX_LIMIT);
    let customer_id = query.one("customer_id");
    let page_token = query.one("page_token").unwrap_or_default();
    let request = TargetListRequest {
        task_id: read_task_id(task_id, &mut query)?,
        states,
        limit,
        customer_id,
        page_token,
    };
    // Violations of the query string and of the values are reported together, in one error.
    let violations = query.into_violations();
    let page = lists.app.target_list(&caller, request, violations).await?;
    Ok(json::target_page(&page, format))
}

/// Reads the states: `state=busy,no_answer`, or `state` repeated.
fn read_states(query: &mut Query) -> Vec<TargetState> {
    let mut states = Vec::new();
    for value in query.many("state") {
        for word in query.words("state", &value) {
            match TargetState::from_word(word) {
                Some(state) => states.push(state),
                None => {
                    let why = Reason::UnknownWord {
                        lead: "of",
                        allowed: TargetState::words(),
                        actual: Some(excerpt(word)),
                    };
                    query.violation("state", why);
                }
            }
        }
    }
    states
}
