//! The status of a task, and the words for it.

use strum::{Display, IntoStaticStr, VariantArray};

use super::words::Word;
use crate::error::Reason;

/// A task's status. The discriminant is the number stored in the database and sent over gRPC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[repr(i16)]
pub enum TaskStatus {
    /// 待启动: waits for its planned start.
    Pending = 1,
    /// 运行中: customers are being called.
    Running = 2,
    /// 已暂停: paused, can be resumed.
    Paused = 3,
    /// 已完成: ended as planned.
    Completed = 4,
    /// 已终止: ended early, by a decision.
    Stopped = 5,
    /// 失败: ended by a failure.
    Failed = 6,
}

impl TaskStatus {
    /// Pending, running and paused: the statuses of tasks that have not ended. The filter word `active` stands for
    /// them.
    pub const ACTIVE: [Self; 3] = [Self::Pending, Self::Running, Self::Paused];

    /// The Chinese word, like 运行中.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Pending => "待启动",
            Self::Running => "运行中",
            Self::Paused => "已暂停",
            Self::Completed => "已完成",
            Self::Stopped => "已终止",
            Self::Failed => "失败",
        }
    }

    /// The status with this word, English or Chinese.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::all().find(|s| s.word() == word || s.chinese() == word)
    }

    /// The status with this number, as stored and sent.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::all().find(|s| *s as i32 == number)
    }
}

/// A set of statuses, as a caller gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct StatusSet(u8);

impl StatusSet {
    /// The statuses of one word of a filter: a status, English or Chinese, or `active`. An error for any other word.
    pub fn from_word(word: &str) -> Result<Self, Reason> {
        match (word, TaskStatus::from_word(word)) {
            ("active", _) => Ok(TaskStatus::ACTIVE.into_iter().collect()),
            (_, Some(status)) => Ok([status].into_iter().collect()),
            (_, None) => Err(Reason::UnknownWord {
                lead: "active or of",
                allowed: TaskStatus::words(),
                actual: None,
            }),
        }
    }

    /// The statuses in the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = TaskStatus> {
        TaskStatus::all().filter(move |s| self.contains(*s))
    }

    /// Whether the status is in the set.
    pub fn contains(self, status: TaskStatus) -> bool {
        self.0 & bit(status) != 0
    }
}

fn bit(status: TaskStatus) -> u8 {
    1 << (status as u8)
}

impl FromIterator<TaskStatus> for StatusSet {
    fn from_iter<I: IntoIterator<Item = TaskStatus>>(statuses: I) -> Self {
        Self(statuses.into_iter().fold(0, |set, s| set | bit(s)))
    }
}

/// The statuses of a filter's condition: at least one, and never all, which would be no condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SomeStatuses(StatusSet);

impl SomeStatuses {
    /// The condition for a caller's set. `None` if the set is empty or has every status, so that any status matches.
    pub fn new(set: StatusSet) -> Option<Self> {
        let all = TaskStatus::all().collect();
        (set != StatusSet::default() && set != all).then_some(Self(set))
    }

    /// The statuses, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = TaskStatus> {
        self.0.iter()
    }

    /// Whether the status is one of them.
    pub fn contains(self, status: TaskStatus) -> bool {
        self.0.contains(status)
    }

    /// One bit for each status, for the fingerprint of a filter; never 0.
    pub fn bits(self) -> u8 {
        self.0.0
    }
}
