//! Adding and removing targets, and reporting results for them.

use chrono::{DateTime, Utc};

use super::rules::{Command, required, valid};
use crate::{
    domain::{
        limits::{MAX_ID_CHARS, check_text},
        target::{MAX_TARGETS, TargetResult, TargetState, check_count, check_customers},
    },
    error::{Reason, Result, Violation, Violations},
};

/// One message of a call that adds targets. The first one names the task and the idempotency key.
#[derive(Debug, Clone, Default)]
pub struct TargetPart {
    /// The id of the task; in later messages empty or the same.
    pub task_id: String,
    /// The idempotency key; empty in later messages.
    pub idempotency_key: String,
    /// The customers to add. Their number is limited only by the size of a message.
    pub customer_ids: Vec<String>,
    /// The names of the other fields that the message sets and only the first one may set.
    pub of_first: Vec<&'static str>,
}

impl TargetPart {
    /// Checks a later message of a call for `task_id`, and returns its customers.
    pub fn validate_next(self, task_id: &str) -> Result<Vec<String>> {
        let mut violations = Violations::new();
        if !self.task_id.is_empty() && self.task_id != task_id {
            violations.push(Violation::new("task_id", Reason::DiffersFromFirst));
        }
        if !self.idempotency_key.is_empty() {
            violations.push(Violation::new("idempotency_key", Reason::FirstMessageOnly));
        }
        for name in &self.of_first {
            violations.push(Violation::new(*name, Reason::FirstMessageOnly));
        }
        self.check_customers(&mut violations);
        valid(violations)?;
        Ok(self.customer_ids)
    }

    /// Checks the customers of any message.
    pub fn check_customers(&self, violations: &mut Violations) {
        for (index, customer) in self.customer_ids.iter().enumerate() {
            let field = format_args!("customer_ids[{index}]");
            check_text(field, customer, MAX_ID_CHARS, violations);
        }
    }
}

/// The removal of customers from a task.
#[derive(Debug, Clone)]
pub struct RemoveTargets {
    /// The id of the task.
    pub task_id: String,
    /// The customers, 1 to 1000.
    pub customer_ids: Vec<String>,
    /// The required etag; empty for any version.
    pub etag: String,
}

impl Command for RemoveTargets {
    type Checked = Self;

    fn validate(self, mut violations: Violations) -> Result<Self> {
        check_text("task_id", &self.task_id, MAX_ID_CHARS, &mut violations);
        check_customers(&self.customer_ids, &mut violations);
        valid(violations)?;
        Ok(self)
    }
}

/// The result of a call, as sent by a caller.
#[derive(Debug, Clone)]
pub struct ResultDraft {
    /// The id of the customer.
    pub customer_id: String,
    /// The result; `None` if the message has none or an unknown one.
    pub state: Option<TargetState>,
    /// The number of the call to this customer, from 1; 0 for a customer who was skipped without a call.
    pub attempt: i32,
    /// The end of the call.
    pub time: Option<DateTime<Utc>>,
}

/// Results of calls to a task's customers, as sent by a caller.
#[derive(Debug, Clone)]
pub struct ReportResults {
    /// The id of the task.
    pub task_id: String,
    /// The results, 1 to 1000.
    pub results: Vec<ResultDraft>,
}

/// Checked results of calls to a task's customers.
#[derive(Debug, Clone)]
pub struct ReportedResults {
    /// The id of the task.
    pub task_id: String,
    /// The results.
    pub results: Vec<TargetResult>,
}

impl Command for ReportResults {
    type Checked = ReportedResults;

    fn validate(self, mut violations: Violations) -> Result<ReportedResults> {
        let Self { task_id, results } = self;
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut violations);
        check_count("results", results.len(), &mut violations);
        let results = results.into_iter().take(MAX_TARGETS).enumerate();
        let results = results
            .filter_map(|(index, result)| result.check(index, &mut violations))
            .collect();
        valid(violations)?;
        Ok(ReportedResults { task_id, results })
    }
}

impl ResultDraft {
    fn check(self, index: usize, violations: &mut Violations) -> Option<TargetResult> {
        let field = |name: &str| format!("results[{index}].{name}");
        let Self {
            customer_id,
            state,
            attempt,
            time,
        } = self;
        check_text(field("customer_id"), &customer_id, MAX_ID_CHARS, violations);
        let state = required(&field("state"), state, violations);
        if state == Some(TargetState::Pending) {
            violations.push(Violation::new(field("state"), Reason::PendingResult));
        }
        // Every result except "skipped" needs a call, so an unknown result is checked like one with a call.
        let least = state.unwrap_or(TargetState::Answered).least_attempt();
        if attempt < least {
            let why = Reason::OutOfRange {
                min: least.into(),
                max: None,
                actual: attempt.into(),
            };
            violations.push(Violation::new(field("attempt"), why));
        }
        let time = required(&field("time"), time, violations);
        Some(TargetResult {
            customer_id,
            state: state?,
            attempt,
            time: time?,
        })
    }
}
