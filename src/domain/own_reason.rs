//! The reasons of changes by the service itself.

/// The reason of a change by the scheduler. The discriminant is the number sent over gRPC. The sentence is stored like
/// any other reason; a caller can distinguish it from people's reasons by this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum OwnReason {
    /// The planned start was reached.
    StartTimeCame = 1,
    /// The planned end was reached.
    EndTimePassed = 2,
    /// The planned end was reached before anybody started the task.
    EndTimePassedUnstarted = 3,
}

impl OwnReason {
    /// All reasons in the order of their numbers.
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

    /// The reason of a stored sentence; `None` if a person wrote it.
    pub fn of(sentence: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.sentence() == sentence)
    }
}
