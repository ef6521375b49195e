//! What is wrong with the value of a field: a stable name for programs, and parameters.
//!
//! A client can write the sentence in its own language from the name and the parameters; `sentence` has the English
//! one. The names are those of the enum `ViolationReason` of `errors.proto`, which also documents the parameters.

use super::ViolationReason;

/// What is wrong with the value of a field. Parameters called `actual` are safe to show: short, escaped, without keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The value is missing.
    Required,
    /// A bulk change does not state the number of tasks that it expects to change.
    CountRequired,
    /// A number outside of its inclusive bounds.
    OutOfRange {
        /// The smallest number allowed.
        min: i64,
        /// The largest number allowed; `None` if there is no upper bound.
        max: Option<i64>,
        /// The number in the request.
        actual: i64,
    },
    /// A number that does not fit into an `i64`.
    OutOfAnyRange {
        /// The smallest number allowed.
        min: i64,
        /// The largest number allowed.
        max: i64,
        /// The number in the request.
        actual: String,
    },
    /// A text that is too short or too long.
    Length {
        /// The minimum number of characters.
        min: usize,
        /// The maximum number of characters.
        max: usize,
        /// The number of characters in the request.
        actual: usize,
    },
    /// Too few or too many values.
    Count {
        /// The minimum number of values.
        min: usize,
        /// The maximum number of values.
        max: usize,
        /// The noun for the values in the sentence, such as "ids"; may be empty.
        noun: &'static str,
        /// The number of values in the request.
        actual: usize,
    },
    /// More targets than a task can have.
    TooManyTargets,
    /// A character that texts must not contain.
    ForbiddenCharacter {
        /// The name of the character, such as "NUL".
        name: &'static str,
    },
    /// A value that is not valid UTF-8.
    NotUtf8,
    /// A query parameter with a name that is not valid UTF-8.
    NameNotUtf8,
    /// A query parameter has no name.
    NameEmpty,
    /// A word that is not among the documented ones.
    UnknownWord {
        /// The words that introduce the list in the sentence, such as "one of".
        lead: &'static str,
        /// The allowed words.
        allowed: Vec<&'static str>,
        /// The word in the request; `None` if the reader of the sentence sees it next to it.
        actual: Option<String>,
    },
    /// An enum number that is unknown or is the enum's `UNSPECIFIED`.
    UnknownNumber {
        /// The names of the enum and of its `UNSPECIFIED` value.
        of: (&'static str, &'static str),
        /// The number in the request.
        actual: i32,
    },
    /// A target result with the state of a call that has no result yet.
    PendingResult,
    /// A field mask path that is not a field of a task.
    UnknownField {
        /// The path in the request.
        actual: String,
    },
    /// An update mask path that is not a field that updates can change.
    FixedField,
    /// A name in a JSON body that is not a field of its message.
    NotAMember {
        /// The name of the message.
        of: String,
    },
    /// A JSON value that is neither a name nor a number of an enum.
    NotAName {
        /// The name of the enum.
        of: String,
        /// The value in the request.
        actual: String,
    },
    /// A JSON value that is not a time as RFC 3339 writes it.
    NotRfc3339 {
        /// The value in the request.
        actual: String,
    },
    /// A body that is not one JSON object.
    NotJson {
        /// The line of the first character that is wrong, from 1.
        line: usize,
        /// Its column, in bytes, from 1; 0 before the first one.
        column: usize,
    },
    /// A query parameter that the path does not accept.
    UnknownParameter,
    /// A name that is not an IANA time zone.
    UnknownTimeZone {
        /// The name in the request.
        actual: String,
    },
    /// A text that is not a whole number.
    NotANumber {
        /// The text in the request.
        actual: String,
    },
    /// A text that is not a time.
    NotATime {
        /// The text in the request; `None` if the reader of the sentence sees it next to it.
        actual: Option<String>,
    },
    /// A time outside of the years 1 to 9999.
    YearOutOfRange {
        /// The time in the request; `None` as in `NotATime`.
        actual: Option<String>,
    },
    /// A protobuf `Timestamp` that is not a time in the years 1 to 9999.
    TimestampOutOfRange,
    /// A range that ends before it starts.
    RangeReversed,
    /// The end of a task before its start.
    EndBeforeStart,
    /// The start of a task after its end.
    StartAfterEnd,
    /// A parameter that occurs more than once.
    Repeated,
    /// An id that another task of the same call has.
    DuplicateId,
    /// A parameter that cannot be combined with others.
    Excludes {
        /// The names of the others.
        others: &'static [&'static str],
    },
    /// A text that does not have the documented form.
    Malformed {
        /// The form, as it continues the sentence after "must be".
        form: &'static str,
    },
    /// A comma-separated list with an empty item.
    EmptyWord,
    /// A message that cannot be decoded.
    Undecodable,
    /// A field of a later stream message that differs from the first message.
    DiffersFromFirst,
    /// A field of a later stream message that is only allowed in the first one.
    FirstMessageOnly,
    /// A token that this service did not issue to this tenant, or that was altered.
    TokenDamaged,
    /// A token issued by a version of the service that uses another format.
    TokenVersion {
        /// What to do without the token, as a sentence for the caller.
        advice: &'static str,
    },
    /// A token that was issued for another request.
    TokenOfAnotherQuery {
        /// What the token belongs to, as it continues the sentence after "belongs to another".
        of: &'static str,
    },
    /// A page that would exceed the size limit. A lower value of this field or of `other` makes it smaller.
    PageTooLarge {
        /// The maximum size of a page, in bytes.
        max: usize,
        /// The name of the other field.
        other: &'static str,
    },
    /// A value of an import record that a spreadsheet, a blank or a wrong separator has changed.
    Damaged {
        /// The value.
        actual: String,
    },
    /// Another defect of an import record, which only the sentence says.
    Record,
}

/// The maximum number of targets of a task; the counters of a task are int32.
const MAX_TASK_TARGETS: i64 = i32::MAX as i64;
const TIMEOUT_FORM: &str = "1 to 8 digits and one of H, M, S, m, u, n";
const MILLISECONDS_FORM: &str = "a number of milliseconds of 1 to 10 digits";
const UPDATABLE: &str = "name, start_time, end_time, labels, labels.KEY, *";

impl Reason {
    /// A malformed `grpc-timeout` header.
    pub const BAD_TIMEOUT: Self = Self::Malformed { form: TIMEOUT_FORM };

    /// A malformed `connect-timeout-ms` header.
    pub const BAD_MILLISECONDS: Self = Self::Malformed {
        form: MILLISECONDS_FORM,
    };

    /// A time that is not a number of whole seconds.
    pub const WHOLE_SECONDS: Self = Self::Malformed {
        form: "a time of whole seconds, such as 900s",
    };

    /// Adds the value in the request to a reason that can show one. `given` must be safe to show.
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

    /// The stable name of the reason.
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
            | Self::NotAName { .. }
            | Self::UnknownTimeZone { .. } => Code::UnknownValue,
            Self::UnknownField { .. } | Self::FixedField | Self::NotAMember { .. } => {
                Code::UnknownField
            }
            Self::UnknownParameter | Self::NameEmpty => Code::UnknownParameter,
            Self::NotANumber { .. } => Code::NotANumber,
            Self::NotATime { .. } | Self::NotRfc3339 { .. } => Code::NotATime,
            Self::YearOutOfRange { .. } | Self::TimestampOutOfRange => Code::TimeOutOfRange,
            Self::RangeReversed | Self::EndBeforeStart | Self::StartAfterEnd => {
                Code::EndBeforeStart
            }
            Self::Repeated | Self::DuplicateId => Code::Repeated,
            Self::Excludes { .. } => Code::Excludes,
            Self::Malformed { .. } | Self::EmptyWord | Self::Undecodable | Self::NotJson { .. } => {
                Code::Malformed
            }
            Self::DiffersFromFirst | Self::FirstMessageOnly => Code::DiffersFromFirstMessage,
            Self::TokenDamaged => Code::TokenDamaged,
            Self::TokenVersion { .. } => Code::TokenOfAnotherVersion,
            Self::TokenOfAnotherQuery { .. } => Code::TokenOfAnotherQuery,
            Self::PageTooLarge { .. } => Code::PageTooLarge,
            Self::Damaged { .. } => Code::DamagedValue,
            Self::Record => Code::InvalidRecord,
        }
    }

    /// The parameters of the sentence by name: numbers as decimal digits, lists separated by a comma and a space. No
    /// parameter is itself a sentence.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let numbers = |min: Option<i64>, max: Option<i64>, actual: Option<i64>| {
            let all = [("min", min), ("max", max), ("actual", actual)];
            all.into_iter()
                .filter_map(|(name, number)| Some((name, number?.to_string())))
                .collect()
        };
        // `try_from` never fails in practice: the lengths of collections fit into an i64.
        let count = |n: usize| i64::try_from(n).ok();
        match self {
            Self::OutOfRange { min, max, actual } => numbers(Some(*min), *max, Some(*actual)),
            Self::OutOfAnyRange { min, max, actual } => vec![
                ("min", min.to_string()),
                ("max", max.to_string()),
                ("actual", actual.clone()),
            ],
            Self::Length { min, max, actual }
            | Self::Count {
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
            | Self::NotRfc3339 { actual }
            | Self::Damaged { actual }
            | Self::NotATime {
                actual: Some(actual),
            } => vec![("actual", actual.clone())],
            Self::NotAName { of, actual } => {
                vec![("enum", of.clone()), ("actual", actual.clone())]
            }
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
