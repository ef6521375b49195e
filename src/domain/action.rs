//! The actions on a task and their status transitions.

use strum::{Display, IntoStaticStr, VariantArray};

use super::{status::TaskStatus, words::Word};

/// A change of a task's status. The discriminant is the number sent over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
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
        Self::all().filter(move |action| action.apply(status).is_some())
    }

    /// The resulting status; `None` if the action is not allowed.
    pub fn apply(self, status: TaskStatus) -> Option<TaskStatus> {
        let (from, to) = self.transition();
        from.contains(&status).then_some(to)
    }

    /// The action with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::all().find(|a| *a as i32 == number)
    }
}
