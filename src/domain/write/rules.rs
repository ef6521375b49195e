//! Checks that all writes share.

use chrono::{DateTime, Utc};

use crate::{
    domain::task::Task,
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation, Violations},
};

/// A write as a transport parsed it, unchecked.
pub trait Command {
    /// The checked write.
    type Checked;

    /// Checks the values. `violations` are those that the transport found. INVALID_ARGUMENT with all violations.
    fn validate(self, violations: Violations) -> Result<Self::Checked>;
}

/// ABORTED unless `etag` is empty or equals the etag of `task`.
pub fn check_etag(etag: &str, task: &Task) -> Result<()> {
    if etag.is_empty() || etag == task.etag() {
        return Ok(());
    }
    let what = "the task was changed since this etag; read it again";
    Err(Error::new(ErrorKind::Aborted, what)
        .because(ErrorReason::EtagMismatch)
        .with_fact("etag", task.etag()))
}

/// INVALID_ARGUMENT if there are violations.
pub fn valid(violations: Violations) -> Result<()> {
    match violations.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(violations)),
    }
}

/// The value. Without one, adds a violation, unless the transport already found one in the field.
pub(super) fn required<T>(field: &str, value: Option<T>, violations: &mut Violations) -> Option<T> {
    if value.is_none() && !violations.iter().any(|v| v.field == field) {
        violations.push(Violation::new(field, Reason::Required));
    }
    value
}

pub(super) fn check_window(
    field: &str,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    violations: &mut Violations,
) {
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        violations.push(Violation::new(field, Reason::EndBeforeStart));
    }
}
