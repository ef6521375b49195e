//! The customers of a task, and what came of calling them.

/// How many targets of a task are in each state. Whoever needs no further call was answered, failed or skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
