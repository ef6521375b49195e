//! Why the service itself changed a task.

/// The reason of a change that the schedule made. The discriminant is the number sent over gRPC; the sentence is stored
/// as every other reason is, so a caller can still tell it from the words of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum OwnReason {
    /// The planned start came.
    StartTimeCame = 1,
    /// The planned end came.
    EndTimePassed = 2,
    /// The planned end came, and nobody had started the task.
    EndTimePassedUnstarted = 3,
}

impl OwnReason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 3] = [
        Self::StartTimeCame,
        Self::EndTimePassed,
        Self::EndTimePassedUnstarted,
    ];

    /// The stored sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::StartTimeCame => "start_time came",
            Self::EndTimePassed => "end_time passed",
            Self::EndTimePassedUnstarted => "end_time passed before the task was started",
        }
    }

    /// The reason of a stored sentence; `None` where it is in the words of people.
    pub fn of(sentence: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.sentence() == sentence)
    }
}
