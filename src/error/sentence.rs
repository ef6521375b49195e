//! The English sentence of each [`Reason`]. No other module writes these sentences.

use std::{error::Error as StdError, fmt};

use super::Reason;

/// The accepted forms of a time, as a sentence.
pub const TIME_FORMS: &str =
    "must be a time such as 2023-03-01T10:00:00Z, 20230301T10:00:00Z, 2023-03-01 or 20230301";

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Absent where the reader sees the value next to the sentence, as on a command line.
        let was = |actual: &Option<String>| match actual {
            Some(text) => format!(", was {text}"),
            None => String::new(),
        };
        match self {
            Self::Required => f.write_str("is required"),
            Self::CountRequired => f.write_str(
                "is required: the number of tasks that will change; a dry run returns it",
            ),
            Self::OutOfRange {
                min,
                max: Some(max),
                actual,
            } => write!(f, "must be {min} to {max}, was {actual}"),
            Self::OutOfRange {
                min,
                max: None,
                actual,
            } => write!(f, "must be {min} or more, was {actual}"),
            Self::OutOfAnyRange { min, max, actual } => {
                write!(f, "must be {min} to {max}, was {actual}")
            }
            Self::Length { min, max, actual } => {
                write!(f, "must be {min} to {max} characters, was {actual}")
            }
            Self::Count {
                min,
                max,
                noun: "",
                actual,
            } => write!(f, "must be {min} to {max}, were {actual}"),
            Self::Count {
                min,
                max,
                noun,
                actual,
            } => write!(f, "must be {min} to {max} {noun}, were {actual}"),
            Self::TooManyTargets => {
                f.write_str("are more targets than a task can have: 2,147,483,647")
            }
            Self::ForbiddenCharacter { name } => write!(f, "must not contain a {name} byte"),
            Self::NotUtf8 => f.write_str("is not valid UTF-8"),
            Self::NameNotUtf8 => {
                f.write_str("contains a parameter with a name that is not valid UTF-8")
            }
            Self::UnknownWord {
                lead,
                allowed,
                actual,
            } => write!(f, "must be {lead} {}{}", allowed.join(", "), was(actual)),
            Self::UnknownNumber {
                of: (name, nothing),
                actual,
            } => write!(f, "must be a {name} other than {nothing}, was {actual}"),
            Self::PendingResult => f.write_str("must be a result, not TARGET_STATE_PENDING"),
            Self::UnknownField { actual } => {
                write!(f, "must be a field of OutboundTask, was {actual}")
            }
            Self::FixedField => f.write_str(
                "must be name, start_time, end_time, labels, labels.KEY or *: an update cannot change other fields",
            ),
            Self::NotAMember { of } => write!(f, "is not a field of {of}"),
            Self::NotAName { of, actual } => {
                write!(f, "must be a name or a number of {of}, was {actual}")
            }
            Self::NotRfc3339 { actual } => write!(
                f,
                "must be a time of RFC 3339 such as 2023-03-01T10:00:00Z, was {actual}"
            ),
            Self::NotJson { line, column } => write!(
                f,
                "must be one JSON object; the body stops being one at line {line}, column {column}"
            ),
            Self::NameEmpty => f.write_str("contains a parameter without a name"),
            Self::UnknownParameter => f.write_str("is not a parameter of this path"),
            Self::UnknownTimeZone { actual } => {
                write!(
                    f,
                    "must be an IANA time zone such as Asia/Shanghai, was {actual}"
                )
            }
            Self::NotANumber { actual } => write!(f, "must be a whole number, was {actual}"),
            Self::NotATime { actual } => write!(f, "{TIME_FORMS}{}", was(actual)),
            Self::YearOutOfRange { actual } => {
                write!(f, "must be in the years 1 to 9999{}", was(actual))
            }
            Self::TimestampOutOfRange => {
                f.write_str("must be in the years 1 to 9999, with nanos from 0 to 999999999")
            }
            Self::RangeReversed => f.write_str("must not end before it starts"),
            Self::EndBeforeStart => f.write_str("must not be before start_time"),
            Self::StartAfterEnd => f.write_str("must not be after end_time"),
            Self::Repeated => f.write_str("must be given once"),
            Self::DuplicateId => f.write_str("is also the id of another task of this call"),
            Self::Excludes { others } => {
                write!(f, "cannot be combined with {}", others.join(" or "))
            }
            Self::Malformed { form } => write!(f, "must be {form}"),
            Self::EmptyWord => f.write_str("must not have an empty item before or after a comma"),
            Self::Undecodable => f.write_str("cannot be decoded as a message of this API"),
            Self::DiffersFromFirst => f.write_str("must be empty or equal to the first message's"),
            Self::FirstMessageOnly => f.write_str("is allowed in the first message only"),
            Self::TokenDamaged => f.write_str("is damaged or was not issued to this tenant"),
            Self::TokenVersion { advice } => f.write_str(advice),
            Self::TokenOfAnotherQuery { of } => write!(f, "belongs to another {of}"),
            Self::PageTooLarge { max, other } => write!(
                f,
                "must be lower, or {other} must be: the page would be larger than {max} bytes"
            ),
            Self::Damaged { actual } => {
                write!(f, "must be as it was before another program changed it, was {actual}")
            }
            Self::Record => f.write_str("is not valid"),
        }
    }
}

/// clap reports parse errors of command arguments as `std::error::Error`.
impl StdError for Reason {}
