//! Which tasks need a person, and why.

use strum::{IntoStaticStr, VariantArray};

use super::{limits::check_range, words::Word};
use crate::error::{Reason, Violations};

/// The default of the time without a result after which a running task is stalled, in seconds.
const STALLED_AFTER: i64 = 15 * 60;
/// The longest such time, in seconds.
pub const MAX_STALLED_AFTER: i64 = 30 * 24 * 60 * 60;

/// A reason for which a task that has not ended needs a person. The discriminant is the number sent over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum Attention {
    /// Not ended, and past the planned end.
    Overdue = 1,
    /// Running, and without a result for some time.
    Stalled = 2,
    /// Running at 100 percent.
    FinishedUnended = 3,
    /// Pending, and past the planned start.
    Unstarted = 4,
    /// Not ended, and without targets.
    Empty = 5,
}

impl Attention {
    /// The kind with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::all().find(|kind| *kind as i32 == number)
    }

    /// Whether tasks come to be of this kind without a change, as time passes.
    pub fn depends_on_time(self) -> bool {
        match self {
            Self::Overdue | Self::Stalled | Self::Unstarted => true,
            Self::FinishedUnended | Self::Empty => false,
        }
    }
}

/// A set of kinds, as a caller gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct AttentionSet(u8);

impl AttentionSet {
    /// The kinds of the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Attention> {
        Attention::all().filter(move |kind| self.0 & bit(*kind) != 0)
    }

    /// Whether the set has no kind.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn bit(kind: Attention) -> u8 {
    1 << (kind as u8)
}

impl FromIterator<Attention> for AttentionSet {
    fn from_iter<I: IntoIterator<Item = Attention>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | bit(kind)))
    }
}

/// How long a running task must be without a result to be stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StalledAfter {
    /// The time in seconds.
    pub seconds: i64,
}

impl StalledAfter {
    /// The seconds of a time that a caller wrote, such as `15m` or `900s`. They are not checked.
    pub fn parse(text: &str) -> Result<i64, Reason> {
        let time = humantime::parse_duration(text).map_err(|_| Reason::WHOLE_SECONDS)?;
        match time.subsec_nanos() {
            0 => i64::try_from(time.as_secs()).map_err(|_| Reason::WHOLE_SECONDS),
            _ => Err(Reason::WHOLE_SECONDS),
        }
    }

    /// The time that a caller gave in seconds, or else 15 minutes. Adds a violation if it is out of range.
    pub(super) fn check(field: &str, seconds: Option<i64>, violations: &mut Violations) -> Self {
        let seconds = seconds.unwrap_or(STALLED_AFTER);
        check_range(field, seconds, 1, MAX_STALLED_AFTER, violations);
        Self { seconds }
    }
}

/// The condition that a task is of one of some kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttentionFilter {
    kinds: AttentionSet,
    stalled_after: Option<StalledAfter>,
}

impl AttentionFilter {
    /// The condition; `None` if the set is empty. The time is kept only if it matters, so that filters that select the same
    /// tasks are equal.
    pub(super) fn new(kinds: AttentionSet, stalled_after: StalledAfter) -> Option<Self> {
        let is_stalled = kinds.iter().any(|kind| kind == Attention::Stalled);
        (!kinds.is_empty()).then_some(Self {
            kinds,
            stalled_after: is_stalled.then_some(stalled_after),
        })
    }

    /// The kinds, in the order of their numbers.
    pub fn kinds(self) -> impl Iterator<Item = Attention> {
        self.kinds.iter()
    }

    /// The time after which a running task is stalled; `None` if that is none of the kinds.
    pub fn stalled_after(self) -> Option<StalledAfter> {
        self.stalled_after
    }

    /// One bit for each kind, for the fingerprint of a filter.
    pub(super) fn bits(self) -> u8 {
        self.kinds.0
    }
}
