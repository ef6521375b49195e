//! The actions on a task and their status transitions.

use std::fmt;

use super::status::TaskStatus;

/// A change of a task's status. The discriminant is the number sent over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum TaskAction {
    /// pending → running
    Start = 1,
    /// running → paused
    Pause = 2,
    /// paused → running
    Resume = 3,
    /// pending, running or paused → stopped
    Stop = 4,
    /// running or paused → completed
    Complete = 5,
    /// pending, running or paused → failed
    Fail = 6,
}

impl TaskAction {
    /// All actions in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Stop,
        Self::Complete,
        Self::Fail,
    ];

    /// The statuses in which the action is allowed, and the resulting status.
    fn transition(self) -> (&'static [TaskStatus], TaskStatus) {
        use TaskStatus::{Completed, Failed, Paused, Pending, Running, Stopped};
        match self {
            Self::Start => (&[Pending], Running),
            Self::Pause => (&[Running], Paused),
            Self::Resume => (&[Paused], Running),
            Self::Stop => (&[Pending, Running, Paused], Stopped),
            Self::Complete => (&[Running, Paused], Completed),
            Self::Fail => (&[Pending, Running, Paused], Failed),
        }
    }

    /// The actions that are allowed in a status.
    pub fn allowed(status: TaskStatus) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |action| action.apply(status).is_some())
    }

    /// The resulting status; `None` if the action is not allowed.
    pub fn apply(self, status: TaskStatus) -> Option<TaskStatus> {
        let (from, to) = self.transition();
        from.contains(&status).then_some(to)
    }

    /// The action with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|a| *a as i32 == number)
    }

    /// The word of the action in the API, such as `start`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Complete => "complete",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for TaskAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
