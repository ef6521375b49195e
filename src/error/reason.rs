//! What is wrong with a field's value: a stable name for programs, and parameters.
//!
//! A client writes the sentence in its own language from the name and the parameters; `sentence` holds the English one.
//! The names are those of the enum `ViolationReason` of `errors.proto`, which also says what the parameters are.

use super::ViolationReason;

/// What is wrong with a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is no value.
    Required,
    /// A bulk change does not say how many tasks it expects to change.
    CountRequired,
    /// A number outside of its bounds, both of which are allowed.
    OutOfRange {
        /// The least number allowed.
        min: i64,
        /// The greatest number allowed; `None` for no bound.
        max: Option<i64>,
        /// The number given.
        actual: i64,
    },
    /// A number that is beyond every number that the service can hold.
    OutOfAnyRange {
        /// The least number allowed.
        min: i64,
        /// The greatest number allowed.
        max: i64,
        /// The number given, fit to be shown.
        actual: String,
    },
    /// A text that is empty or too long.
    Length {
        /// The most characters allowed; one is the least.
        max: usize,
        /// How many it has.
        actual: usize,
    },
    /// Too few or too many values.
    Count {
        /// The fewest allowed.
        min: usize,
        /// The most allowed.
        max: usize,
        /// What they are in the sentence, as "ids"; may be empty.
        noun: &'static str,
        /// How many there are.
        actual: usize,
    },
    /// More targets than a task can hold.
    TooManyTargets,
    /// A character that no text may hold.
    ForbiddenCharacter {
        /// Its name, as "NUL".
        name: &'static str,
    },
    /// Bytes that are no text.
    NotUtf8,
    /// A query parameter whose name is no text.
    NameNotUtf8,
    /// A word that is none of the documented ones.
    UnknownWord {
        /// What leads to the words in the sentence, as "one of".
        lead: &'static str,
        /// The words.
        allowed: Vec<&'static str>,
        /// The word given, fit to be shown; `None` where whoever reads the sentence sees it anyway.
        actual: Option<String>,
    },
    /// A number that is none of an enum's, or its `UNSPECIFIED`.
    UnknownNumber {
        /// The enum and its value that stands for nothing.
        of: (&'static str, &'static str),
        /// The number given.
        actual: i32,
    },
    /// The result of a call that is to be, or was not, made.
    PendingResult,
    /// A path of a mask that names no field of a task.
    UnknownField {
        /// The path, fit to be shown.
        actual: String,
    },
    /// A path of an update's mask that names no field which an update can change.
    FixedField,
    /// A query parameter that the path does not have.
    UnknownParameter,
    /// A name that is no time zone's.
    UnknownTimeZone {
        /// The name, fit to be shown.
        actual: String,
    },
    /// A text that is no whole number.
    NotANumber {
        /// The text, fit to be shown.
        actual: String,
    },
    /// A text that is no time.
    NotATime {
        /// The text, fit to be shown; `None` where whoever reads the sentence sees it anyway.
        actual: Option<String>,
    },
    /// A time outside of the years 1 to 9999.
    YearOutOfRange {
        /// The time, fit to be shown; `None` as with `NotATime`.
        actual: Option<String>,
    },
    /// A Timestamp's two numbers that are no time of the years 1 to 9999.
    TimestampOutOfRange,
    /// A range that ends before it starts.
    RangeReversed,
    /// A task's end before its start.
    EndBeforeStart,
    /// A task's start after its end.
    StartAfterEnd,
    /// A parameter that is given more than once.
    Repeated,
    /// An id that another task of the call has too.
    DuplicateId,
    /// A parameter that cannot be given with others.
    Excludes {
        /// The others.
        others: &'static [&'static str],
    },
    /// A text of another form than the documented one.
    Malformed {
        /// The form, as it stands behind "must be".
        form: &'static str,
    },
    /// A list of words with nothing before, between or after its commas.
    EmptyWord,
    /// A message that is not one of the contract.
    Undecodable,
    /// A field of a later message of a stream that is not as in the first.
    DiffersFromFirst,
    /// A field of a later message of a stream that only the first may have.
    FirstMessageOnly,
    /// A token that the service did not issue to this tenant, or not so.
    TokenDamaged,
    /// A token of another version of the service.
    TokenVersion {
        /// What to do without it, as it stands in the sentence.
        advice: &'static str,
    },
    /// A token that was issued for another request.
    TokenOfAnotherQuery {
        /// What it belongs to instead, as it stands in the sentence.
        of: &'static str,
    },
    /// A page that would be too large in bytes; this field or another one makes it smaller.
    PageTooLarge {
        /// The most bytes allowed.
        max: usize,
        /// The other field.
        other: &'static str,
    },
    /// A record of an import; the sentence is for the operator's terminal alone.
    Record(String),
}

/// Most targets of a task, as an int32 counts them.
const MAX_TASK_TARGETS: i64 = i32::MAX as i64;
const TIMEOUT_FORM: &str = "1 to 8 digits and one of H, M, S, m, u, n";
const UPDATABLE: &str = "name, start_time, end_time, *";

impl Reason {
    /// The form of the header `grpc-timeout`.
    pub const BAD_TIMEOUT: Self = Self::Malformed { form: TIMEOUT_FORM };

    /// The same reason with the value given, where the reason has room for one; `actual` must be fit to be shown.
    #[must_use]
    pub fn was(mut self, given: impl Into<String>) -> Self {
        if let Self::UnknownWord { actual, .. }
        | Self::NotATime { actual }
        | Self::YearOutOfRange { actual } = &mut self
        {
            *actual = Some(given.into());
        }
        self
    }

    /// The stable name.
    pub fn code(&self) -> ViolationReason {
        use ViolationReason as Code;
        match self {
            Self::Required | Self::CountRequired => Code::Required,
            Self::OutOfRange { .. } | Self::OutOfAnyRange { .. } => Code::OutOfRange,
            Self::Length { .. } => Code::LengthOutOfRange,
            Self::Count { .. } | Self::TooManyTargets => Code::CountOutOfRange,
            Self::ForbiddenCharacter { .. } => Code::ForbiddenCharacter,
            Self::NotUtf8 | Self::NameNotUtf8 => Code::NotUtf8,
            Self::UnknownWord { .. }
            | Self::UnknownNumber { .. }
            | Self::PendingResult
            | Self::UnknownTimeZone { .. } => Code::UnknownValue,
            Self::UnknownField { .. } | Self::FixedField => Code::UnknownField,
            Self::UnknownParameter => Code::UnknownParameter,
            Self::NotANumber { .. } => Code::NotANumber,
            Self::NotATime { .. } => Code::NotATime,
            Self::YearOutOfRange { .. } | Self::TimestampOutOfRange => Code::TimeOutOfRange,
            Self::RangeReversed | Self::EndBeforeStart | Self::StartAfterEnd => {
                Code::EndBeforeStart
            }
            Self::Repeated | Self::DuplicateId => Code::Repeated,
            Self::Excludes { .. } => Code::Excludes,
            Self::Malformed { .. } | Self::EmptyWord | Self::Undecodable => Code::Malformed,
            Self::DiffersFromFirst | Self::FirstMessageOnly => Code::DiffersFromFirstMessage,
            Self::TokenDamaged => Code::TokenDamaged,
            Self::TokenVersion { .. } => Code::TokenOfAnotherVersion,
            Self::TokenOfAnotherQuery { .. } => Code::TokenOfAnotherQuery,
            Self::PageTooLarge { .. } => Code::PageTooLarge,
            Self::Record(_) => Code::InvalidRecord,
        }
    }

    /// What the sentence is made of, by name: numbers in decimal digits, lists separated by a comma and a space. No
    /// parameter is a sentence of its own.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let numbers = |min: Option<i64>, max: Option<i64>, actual: Option<i64>| {
            let all = [("min", min), ("max", max), ("actual", actual)];
            all.into_iter()
                .filter_map(|(name, number)| Some((name, number?.to_string())))
                .collect()
        };
        // No list of values is longer than an i64 can count.
        let count = |n: usize| i64::try_from(n).ok();
        match self {
            Self::OutOfRange { min, max, actual } => numbers(Some(*min), *max, Some(*actual)),
            Self::OutOfAnyRange { min, max, actual } => vec![
                ("min", min.to_string()),
                ("max", max.to_string()),
                ("actual", actual.clone()),
            ],
            Self::Length { max, actual } => numbers(Some(1), count(*max), count(*actual)),
            Self::Count {
                min, max, actual, ..
            } => numbers(count(*min), count(*max), count(*actual)),
            Self::TooManyTargets => numbers(None, Some(MAX_TASK_TARGETS), None),
            Self::ForbiddenCharacter { name } => vec![("character", (*name).to_owned())],
            Self::UnknownWord {
                allowed, actual, ..
            } => {
                let mut parameters = vec![("allowed", allowed.join(", "))];
                parameters.extend(actual.iter().map(|text| ("actual", text.clone())));
                parameters
            }
            Self::UnknownNumber { of, actual } => {
                vec![("enum", of.0.to_owned()), ("actual", actual.to_string())]
            }
            Self::UnknownField { actual }
            | Self::UnknownTimeZone { actual }
            | Self::NotANumber { actual }
            | Self::NotATime {
                actual: Some(actual),
            } => vec![("actual", actual.clone())],
            Self::FixedField => vec![("allowed", UPDATABLE.to_owned())],
            Self::YearOutOfRange { actual } => {
                let mut parameters: Vec<_> = numbers(Some(1), Some(9999), None);
                parameters.extend(actual.iter().map(|text| ("actual", text.clone())));
                parameters
            }
            Self::TimestampOutOfRange => numbers(Some(1), Some(9999), None),
            Self::Excludes { others } => vec![("others", others.join(", "))],
            Self::PageTooLarge { max, other } => {
                vec![("max", max.to_string()), ("others", (*other).to_owned())]
            }
            _ => Vec::new(),
        }
    }
}
