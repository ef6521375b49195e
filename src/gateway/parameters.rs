//! Converts the query parameters of the gateway to the requests of use cases, and collects violations.

use axum::extract::{Path, rejection::PathRejection};
use chrono_tz::Tz;

use super::query::Query;
use crate::{
    app::json::TimeFormat,
    domain::{
        attention::{Attention, AttentionSet, StalledAfter},
        fields::{TaskField, TaskFields},
        filter::FilterRequest,
        get::Shown,
        limits::{INLINE_TARGETS, MAX_LIMIT},
        list::ListRequest,
        order::TaskOrder,
        status::StatusSet,
        time::{self, Moment},
        words::Word,
    },
    error::{Error, Reason, Result, Violation},
    redaction::excerpt,
};

/// The task id of the path; INVALID_ARGUMENT if it is not valid UTF-8.
pub(super) fn read_task_id(
    task_id: Result<Path<String>, PathRejection>,
    query: &mut Query,
) -> Result<String> {
    match task_id {
        Ok(Path(task_id)) => Ok(task_id),
        Err(_) => {
            query.violation("task_id", Reason::NotUtf8);
            Err(Error::invalid(std::mem::take(&mut query.violations)))
        }
    }
}

pub(super) fn read_time_format(query: &mut Query) -> TimeFormat {
    query.word("time_format")
}

/// Reads the parameters of a list. Violations are collected in `query`.
pub(super) fn read_list(query: &mut Query, default_zone: Tz) -> ListRequest {
    let zone = read_zone(query, default_zone);
    ListRequest {
        page: query.number("page", 1..=i64::MAX),
        limit: query.number("limit", 1..=MAX_LIMIT),
        filter: read_filter(query, zone),
        order: read_order(query),
        page_token: query.one("page_token").unwrap_or_default(),
        shown: read_shown(query),
        count: query.word("count"),
        status_counts: query.flag("status_counts"),
        target_sums: query.flag("target_sums"),
        attention_counts: query.flag("attention_counts"),
    }
}

pub(super) fn read_order(query: &mut Query) -> TaskOrder {
    TaskOrder {
        by: query.word("order_by"),
        direction: query.word("order"),
    }
}

/// The time zone of a request.
pub(super) fn read_zone(query: &mut Query, default_zone: Tz) -> Tz {
    match query.one("time_zone") {
        None => default_zone,
        Some(name) => name.parse().unwrap_or_else(|_| {
            let actual = excerpt(&name);
            query.violation("time_zone", Reason::UnknownTimeZone { actual });
            default_zone
        }),
    }
}

/// Reads a filter whose bare dates are days in `zone`.
pub(super) fn read_filter(query: &mut Query, zone: Tz) -> FilterRequest {
    let (start, end) = read_range(query, zone);
    FilterRequest {
        statuses: read_statuses(query),
        date_field: query.word("date_field"),
        start,
        end,
        customer_id: query.one("customer_id"),
        name: query.one("name"),
        // Each parameter holds one id, because an id may contain a comma.
        task_ids: query.many("task_ids"),
        labels: query.many("label"),
        attention: read_attention(query),
        stalled_after: read_stalled_after(query),
    }
}

fn read_attention(query: &mut Query) -> AttentionSet {
    let mut kinds = Vec::new();
    for value in query.many("attention") {
        for word in query.words("attention", &value) {
            match Attention::parse(word) {
                Ok(kind) => kinds.push(kind),
                Err(why) => (query.violations)
                    .push_with(|| Violation::new("attention", why.was(excerpt(word)))),
            }
        }
    }
    kinds.into_iter().collect()
}

fn read_stalled_after(query: &mut Query) -> Option<i64> {
    let text = query.one("stalled_after")?;
    let seconds = StalledAfter::parse(&text);
    seconds
        .map_err(|why| query.violation("stalled_after", why))
        .ok()
}

pub(super) fn read_shown(query: &mut Query) -> Shown {
    Shown {
        target_limit: read_target_limit(query),
        fields: read_fields(query),
    }
}

pub(super) fn read_target_limit(query: &mut Query) -> Option<i64> {
    query.number("target_limit", 0..=INLINE_TARGETS as i64)
}

fn read_fields(query: &mut Query) -> TaskFields {
    let text = query.one("fields").unwrap_or_default();
    let mut fields = Vec::new();
    for word in query.words("fields", &text) {
        match TaskField::parse(word) {
            Ok(field) => fields.push(field),
            Err(why) => {
                (query.violations).push_with(|| Violation::new("fields", why.was(excerpt(word))))
            }
        }
    }
    fields.into_iter().collect()
}

fn read_statuses(query: &mut Query) -> StatusSet {
    let mut statuses = Vec::new();
    for value in query.many("status") {
        for word in query.words("status", &value) {
            match StatusSet::from_word(word) {
                Ok(set) => statuses.extend(set.iter()),
                Err(why) => (query.violations)
                    .push_with(|| Violation::new("status", why.was(excerpt(word)))),
            }
        }
    }
    statuses.into_iter().collect()
}

/// Reads the date range in one of three forms: `date_range=START,END`, `date_range=START&date_range=END`, or
/// `start_date=` and `end_date=`.
fn read_range(query: &mut Query, zone: Tz) -> time::Bounds {
    let mut range = query.all("date_range");
    // Either side may be empty; the parameter counts as absent only if all values are empty.
    if range.iter().all(String::is_empty) {
        range.clear();
    }
    let sides = [query.one("start_date"), query.one("end_date")];
    let (start, end) = match (&range[..], sides) {
        ([], [start, end]) => (start.unwrap_or_default(), end.unwrap_or_default()),
        (_, [Some(_), _] | [_, Some(_)]) => {
            let others = &["start_date", "end_date"];
            query.violation("date_range", Reason::Excludes { others });
            return (None, None);
        }
        ([start, end], _) if !start.contains(',') && !end.contains(',') => {
            (start.clone(), end.clone())
        }
        ([both], _) if both.matches(',').count() == 1 => {
            let (start, end) = both.split_once(',').unwrap_or_default();
            (start.to_owned(), end.to_owned())
        }
        _ => {
            let form = "two values: START,END; either may be empty";
            query.violation("date_range", Reason::Malformed { form });
            return (None, None);
        }
    };
    let names = if range.is_empty() {
        ["start_date", "end_date"]
    } else {
        ["date_range"; 2]
    };
    let start = read_moment(query, names[0], &start);
    let end = read_moment(query, names[1], &end);
    time::bounds(start, end, zone).unwrap_or_else(|why| {
        query.violation(names[1], why);
        (None, None)
    })
}

/// Reads one side of a date range; `None` if it is empty or invalid.
fn read_moment(query: &mut Query, name: &str, text: &str) -> Option<Moment> {
    if text.is_empty() {
        return None;
    }
    // A plus sign in a query string means a space, so 10:00:00+08:00 arrives as "10:00:00 08:00".
    let text = match text.split_at_checked(text.len().saturating_sub(6)) {
        Some((time, zone)) if zone.starts_with(' ') => format!("{time}+{}", &zone[1..]),
        _ => text.to_owned(),
    };
    Moment::parse(&text)
        .map_err(|why| query.violation(name, why.was(excerpt(&text))))
        .ok()
}
