//! The targets of a task: its customers and the results of calling them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use strum::{IntoStaticStr, VariantArray};

use super::{
    limits::{MAX_ID_CHARS, check_text},
    words::Word,
};
use crate::error::{Reason, Violation, Violations};

/// The maximum number of targets in a message, except for adding targets.
pub const MAX_TARGETS: usize = 1000;

/// The result of the last call to a customer. The discriminant is the number stored and sent over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(i16)]
pub enum TargetState {
    /// Not called yet.
    Pending = 1,
    /// The customer answered.
    Answered = 2,
    /// Nobody answered; the customer is to be called again.
    NoAnswer = 3,
    /// The line was busy; the customer is to be called again.
    Busy = 4,
    /// The call cannot succeed.
    Failed = 5,
    /// Left out or given up.
    Skipped = 6,
}

impl TargetState {
    /// The lowest attempt with this result: a target can be skipped without a call.
    pub fn least_attempt(self) -> i32 {
        match self {
            Self::Pending | Self::Skipped => 0,
            Self::Answered | Self::NoAnswer | Self::Busy | Self::Failed => 1,
        }
    }

    /// The state with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::all().find(|s| *s as i32 == number)
    }
}

/// A customer of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The customer's id.
    pub customer_id: String,
    /// The result of the last call.
    pub state: TargetState,
    /// The number of that call, from 1; 0 while pending.
    pub attempt: i32,
    /// When that call ended; `None` while pending.
    pub time: Option<DateTime<Utc>>,
}

/// A reported call result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetResult {
    /// The customer's id.
    pub customer_id: String,
    /// The result; not pending.
    pub state: TargetState,
    /// The number of the call, from 1; 0 if the target was skipped without a call.
    pub attempt: i32,
    /// When the call ended.
    pub time: DateTime<Utc>,
}

impl TargetResult {
    /// The order of results of one customer: the greatest counts, in whatever order they arrive.
    fn rank(&self) -> (i32, DateTime<Utc>, TargetState) {
        (self.attempt, self.time, self.state)
    }

    /// The greatest result of each customer; the others are repetitions or outdated.
    pub fn last_of_each(results: Vec<Self>) -> Vec<Self> {
        let mut last: HashMap<String, Self> = HashMap::with_capacity(results.len());
        for result in results {
            match last.get_mut(&result.customer_id) {
                Some(known) if known.rank() < result.rank() => *known = result,
                Some(_) => {}
                None => drop(last.insert(result.customer_id.clone(), result)),
            }
        }
        last.into_values().collect()
    }
}

/// The call result of the customer with a given ordinal, to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdinalResult {
    /// The ordinal of the customer among the targets, from 0.
    pub ordinal: usize,
    /// The result; not pending.
    pub state: TargetState,
    /// The number of the call, from 1; 0 if none was made.
    pub attempt: i32,
    /// When the call ended.
    pub time: DateTime<Utc>,
}

impl OrdinalResult {
    /// The same order as that of reported results.
    pub fn rank(&self) -> (i32, DateTime<Utc>, TargetState) {
        (self.attempt, self.time, self.state)
    }
}

/// The number of targets in each state. Answered, failed and skipped targets need no further call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct TargetCounts {
    /// Not called yet.
    pub pending: i32,
    /// The customer answered.
    pub answered: i32,
    /// Nobody answered; the customer is to be called again.
    pub no_answer: i32,
    /// The line was busy; the customer is to be called again.
    pub busy: i32,
    /// The call cannot succeed.
    pub failed: i32,
    /// Left out or given up.
    pub skipped: i32,
}

impl TargetCounts {
    /// The counts of a task with `total` targets, of which so many have a result: answered, no answer, busy, failed and
    /// skipped. The others are pending.
    pub fn of_results(total: i32, results: [i32; 5]) -> Self {
        let [answered, no_answer, busy, failed, skipped] = results;
        Self {
            pending: total - answered - no_answer - busy - failed - skipped,
            answered,
            no_answer,
            busy,
            failed,
            skipped,
        }
    }

    /// The number of targets in a state.
    pub fn of(&self, state: TargetState) -> i32 {
        match state {
            TargetState::Pending => self.pending,
            TargetState::Answered => self.answered,
            TargetState::NoAnswer => self.no_answer,
            TargetState::Busy => self.busy,
            TargetState::Failed => self.failed,
            TargetState::Skipped => self.skipped,
        }
    }

    /// Adds to the number in a state; `count` may be negative.
    pub fn add(&mut self, state: TargetState, count: i32) {
        *match state {
            TargetState::Pending => &mut self.pending,
            TargetState::Answered => &mut self.answered,
            TargetState::NoAnswer => &mut self.no_answer,
            TargetState::Busy => &mut self.busy,
            TargetState::Failed => &mut self.failed,
            TargetState::Skipped => &mut self.skipped,
        } += count;
    }

    /// The total number of targets.
    pub fn total(&self) -> i32 {
        TargetState::all().map(|state| self.of(state)).sum()
    }

    /// The number of targets that need no further call.
    pub fn finished(&self) -> i64 {
        i64::from(self.answered) + i64::from(self.failed) + i64::from(self.skipped)
    }

    /// The percentage of targets that need no further call, rounded down.
    pub fn progress(&self) -> i16 {
        let percent = 100 * self.finished() / i64::from(self.total()).max(1);
        percent as i16 // 0 to 100
    }
}

/// The number of targets of many tasks in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct TargetSums {
    /// All targets.
    pub total: i64,
    /// Not called yet.
    pub pending: i64,
    /// The customer answered.
    pub answered: i64,
    /// Nobody answered; the customer is to be called again.
    pub no_answer: i64,
    /// The line was busy; the customer is to be called again.
    pub busy: i64,
    /// The call cannot succeed.
    pub failed: i64,
    /// Left out or given up.
    pub skipped: i64,
}

/// Validates the customers in a message: 1 to 1000.
pub fn check_customers(customer_ids: &[String], violations: &mut Violations) {
    check_count("customer_ids", customer_ids.len(), violations);
    for (index, customer) in customer_ids.iter().enumerate().take(MAX_TARGETS) {
        let field = format_args!("customer_ids[{index}]");
        check_text(field, customer, MAX_ID_CHARS, violations);
    }
}

/// Adds a violation unless `count` is 1 to 1000.
pub fn check_count(field: &str, count: usize, violations: &mut Violations) {
    if !(1..=MAX_TARGETS).contains(&count) {
        let why = Reason::Count {
            min: 1,
            max: MAX_TARGETS,
            noun: "",
            actual: count,
        };
        violations.push(Violation::new(field, why));
    }
}

/// The ids of `asked` that are not in `known`, in order and without repetitions.
pub fn missing(asked: Vec<String>, known: &HashSet<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let is_missing = |id: &String| !known.contains(id) && seen.insert(id.clone());
    asked.into_iter().filter(is_missing).collect()
}
