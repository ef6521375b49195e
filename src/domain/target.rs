//! The customers of a task, and what came of calling them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::limits::{MAX_ID_CHARS, check_text};
use crate::error::{Reason, Violation, Violations};

/// Most targets that one message names, but for those to be added.
pub const MAX_TARGETS: usize = 1000;

/// What came of the last call to a customer. The discriminant is the number stored and sent over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum TargetState {
    /// Not called yet.
    Pending = 1,
    /// The customer answered.
    Answered = 2,
    /// Nobody answered; to be called again.
    NoAnswer = 3,
    /// The line was busy; to be called again.
    Busy = 4,
    /// The call cannot succeed.
    Failed = 5,
    /// Left out, or given up.
    Skipped = 6,
}

impl TargetState {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Answered,
        Self::NoAnswer,
        Self::Busy,
        Self::Failed,
        Self::Skipped,
    ];

    /// The documented word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Answered => "answered",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The first attempt that can come to it: a target can be skipped without a call.
    pub fn least_attempt(self) -> i32 {
        match self {
            Self::Pending | Self::Skipped => 0,
            Self::Answered | Self::NoAnswer | Self::Busy | Self::Failed => 1,
        }
    }

    /// The state of a documented word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    /// The state stored or sent as `number`.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|s| *s as i32 == number)
    }
}

/// A customer of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The customer's id.
    pub customer_id: String,
    /// What came of the last call.
    pub state: TargetState,
    /// Which call that was; 0 while pending.
    pub attempt: i32,
    /// When it ended; `None` while pending.
    pub time: Option<DateTime<Utc>>,
}

/// What came of a call, as reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetResult {
    /// The customer's id.
    pub customer_id: String,
    /// What came of it; not pending.
    pub state: TargetState,
    /// Which call it was.
    pub attempt: i32,
    /// When it ended.
    pub time: DateTime<Utc>,
}

impl TargetResult {
    /// Which of two results of a customer counts: the greater one, in whatever order they arrive.
    fn rank(&self) -> (i32, DateTime<Utc>, TargetState) {
        (self.attempt, self.time, self.state)
    }

    /// Of each customer the result that counts; the others are repeated or out of date by what follows them.
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

/// What came of calling the customer at a place in the task's order, on its way into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedResult {
    /// The place, from 0.
    pub place: usize,
    /// What came of it; not pending.
    pub state: TargetState,
    /// Which call of the customer that was, from 1; 0 where none was made.
    pub attempt: i32,
    /// When the call ended.
    pub time: DateTime<Utc>,
}

/// How many targets of a task are in each state. Whoever needs no further call was answered, failed or skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct TargetCounts {
    /// Not called yet.
    pub pending: i32,
    /// The customer answered.
    pub answered: i32,
    /// Nobody answered; to be called again.
    pub no_answer: i32,
    /// The line was busy; to be called again.
    pub busy: i32,
    /// The call cannot succeed.
    pub failed: i32,
    /// Left out, or given up.
    pub skipped: i32,
}

impl TargetCounts {
    /// How many are in a state.
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

    /// Adds to those in a state; a negative number takes away.
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

    /// How many there are in all.
    pub fn total(&self) -> i32 {
        TargetState::ALL.iter().map(|state| self.of(*state)).sum()
    }

    /// The percentage that needs no further call, rounded down.
    pub fn progress(&self) -> i16 {
        let done = i64::from(self.answered) + i64::from(self.failed) + i64::from(self.skipped);
        let percent = 100 * done / i64::from(self.total()).max(1);
        percent as i16 // 0 to 100
    }
}

/// Checks customers that a message names: 1 to 1000 of them.
pub fn check_customers(customer_ids: &[String], faults: &mut Violations) {
    check_count("customer_ids", customer_ids.len(), faults);
    for (place, customer) in customer_ids.iter().enumerate().take(MAX_TARGETS) {
        let field = format!("customer_ids[{place}]");
        check_text(&field, customer, MAX_ID_CHARS, faults);
    }
}

/// A fault unless a message names 1 to 1000.
pub fn check_count(field: &str, count: usize, faults: &mut Violations) {
    if !(1..=MAX_TARGETS).contains(&count) {
        let why = Reason::Count {
            min: 1,
            max: MAX_TARGETS,
            noun: "",
            actual: count,
        };
        faults.push(Violation::new(field, why));
    }
}

/// Those of `asked` that are not in `known`, in order, each once.
pub fn missing(asked: Vec<String>, known: &HashSet<String>) -> Vec<String> {
    let mut told = HashSet::new();
    let is_missing = |id: &String| !known.contains(id) && told.insert(id.clone());
    asked.into_iter().filter(is_missing).collect()
}
