//! Adding, removing and reporting on the targets of a task.

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
    /// The task; in later messages empty or the same.
    pub task_id: String,
    /// The idempotency key; empty in later messages.
    pub idempotency_key: String,
    /// The customers to add. The contract sets no limit: a message has one of its own.
    pub customer_ids: Vec<String>,
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
        self.check_customers(&mut violations);
        valid(violations)?;
        Ok(self.customer_ids)
    }

    /// Checks the customers of any message.
    pub fn check_customers(&self, violations: &mut Violations) {
        for (index, customer) in self.customer_ids.iter().enumerate() {
            let field = format!("customer_ids[{index}]");
            check_text(&field, customer, MAX_ID_CHARS, violations);
        }
    }
}

/// The removal of customers from a task.
#[derive(Debug, Clone)]
pub struct RemoveTargets {
    /// The task.
    pub task_id: String,
    /// The customers, 1 to 1000.
    pub customer_ids: Vec<String>,
    /// The version to change; empty for whichever there is.
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

/// The result of a call, as a caller sent it.
#[derive(Debug, Clone)]
pub struct ResultDraft {
    /// The customer.
    pub customer_id: String,
    /// The result; `None` where the caller named none that there is.
    pub state: Option<TargetState>,
    /// Which call of the customer it was, from 1; 0 for a customer who was skipped without a call.
    pub attempt: i32,
    /// When the call ended.
    pub time: Option<DateTime<Utc>>,
}

/// Results of calls to a task's customers, as a caller sent them.
#[derive(Debug, Clone)]
pub struct ReportResults {
    /// The task.
    pub task_id: String,
    /// The results, 1 to 1000.
    pub results: Vec<ResultDraft>,
}

/// Results of calls to a task's customers, checked.
#[derive(Debug, Clone)]
pub struct ReportedResults {
    /// The task.
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
        check_text(
            &field("customer_id"),
            &customer_id,
            MAX_ID_CHARS,
            violations,
        );
        let state = required(&field("state"), state, violations);
        if state == Some(TargetState::Pending) {
            violations.push(Violation::new(field("state"), Reason::PendingResult));
        }
        // Any result but a skipped customer takes a call, so an unknown one is checked as such.
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
