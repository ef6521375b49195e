//! What texts, ids and pages may hold, and the checks of it that every request shares.

use std::{fmt, ops::RangeInclusive};

use crate::error::{Reason, Violation, Violations};

/// The maximum number of characters of a task id and of a customer id.
pub const MAX_ID_CHARS: usize = 128;
/// The maximum number of characters of a task's name.
pub const MAX_NAME_CHARS: usize = 256;
/// The maximum number of ids in a request.
pub const MAX_IDS: usize = 1000;
/// The number of customer ids that are stored with the task itself and can be part of a list.
pub const INLINE_TARGETS: usize = 100;
/// The maximum number of customers that an event names.
pub const EVENT_CUSTOMERS: usize = 100;
/// Tasks in a page when the caller names no limit.
pub const DEFAULT_LIMIT: i64 = 20;
/// Events or targets of a task in a page when the caller names no limit.
pub const DEFAULT_PARTS: i64 = 100;
/// Most tasks in a page, and most events or targets of a task.
pub const MAX_LIMIT: i64 = 1000;

/// Checks a text for PostgreSQL: 1 to `most` characters, no NUL.
pub fn check_text(field: impl fmt::Display, text: &str, most: usize, violations: &mut Violations) {
    if let Some(why) = length(text, 1..=most) {
        violations.push_with(|| Violation::new(field.to_string(), why));
    }
    if text.contains('\0') {
        let why = Reason::ForbiddenCharacter { name: "NUL" };
        violations.push_with(|| Violation::new(field.to_string(), why));
    }
}

/// What is wrong with a text that has fewer or more characters than `allowed`.
pub fn length(text: &str, allowed: RangeInclusive<usize>) -> Option<Reason> {
    let actual = text.chars().count();
    let (min, max) = (*allowed.start(), *allowed.end());
    (!allowed.contains(&actual)).then_some(Reason::Length { min, max, actual })
}

/// Checks a list of ids: how many there are, and each of them.
pub(super) fn check_ids(
    field: &str,
    task_ids: &[String],
    count: RangeInclusive<usize>,
    violations: &mut Violations,
) {
    if !count.contains(&task_ids.len()) {
        let (least, most) = count.into_inner();
        let why = Reason::Count {
            min: least,
            max: most,
            noun: "ids",
            actual: task_ids.len(),
        };
        violations.push(Violation::new(field, why));
    }
    for (at, task_id) in task_ids.iter().enumerate().take(MAX_IDS) {
        let field = format_args!("{field}[{at}]");
        check_text(field, task_id, MAX_ID_CHARS, violations);
    }
}

/// Checks a number; both bounds are allowed.
pub fn check_range(field: &str, value: i64, least: i64, most: i64, violations: &mut Violations) {
    if !(least..=most).contains(&value) {
        let why = Reason::OutOfRange {
            min: least,
            max: Some(most),
            actual: value,
        };
        violations.push(Violation::new(field, why));
    }
}

/// How many customer ids to show in each task; all that are kept with it if the caller names no number.
pub(super) fn check_target_limit(limit: Option<i64>, violations: &mut Violations) -> i32 {
    let most = INLINE_TARGETS as i64;
    let limit = limit.unwrap_or(most);
    check_range("target_limit", limit, 0, most, violations);
    limit as i32 // 0 to 100, or a violation
}
