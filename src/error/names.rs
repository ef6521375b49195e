//! The stable names of reasons, which programs read.
//!
//! Each enum mirrors an enum of `errors.proto`, which documents the values and their parameters or facts. The
//! discriminants are the numbers sent over gRPC, and the names are those of the proto without the enum's prefix. A test
//! compares them.

/// Declares an enum with the names of its values and a list of all values.
macro_rules! names {
    ($(#[$about:meta])* $enum:ident { $($value:ident = $number:literal $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(i32)]
        pub enum $enum {
            $(#[doc = concat!("`", $name, "`")] $value = $number,)*
        }

        impl $enum {
            /// All values in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$value),*];

            /// The name in `errors.proto`, without the prefix of the enum.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)*
                }
            }
        }
    };
}

names! {
    /// Why the value of a field is invalid.
    ViolationReason {
        Required = 1 "REQUIRED",
        OutOfRange = 2 "OUT_OF_RANGE",
        LengthOutOfRange = 3 "LENGTH_OUT_OF_RANGE",
        CountOutOfRange = 4 "COUNT_OUT_OF_RANGE",
        ForbiddenCharacter = 5 "FORBIDDEN_CHARACTER",
        NotUtf8 = 6 "NOT_UTF8",
        UnknownValue = 7 "UNKNOWN_VALUE",
        UnknownField = 8 "UNKNOWN_FIELD",
        UnknownParameter = 9 "UNKNOWN_PARAMETER",
        NotANumber = 10 "NOT_A_NUMBER",
        NotATime = 11 "NOT_A_TIME",
        TimeOutOfRange = 12 "TIME_OUT_OF_RANGE",
        EndBeforeStart = 13 "END_BEFORE_START",
        Repeated = 14 "REPEATED",
        Excludes = 15 "EXCLUDES",
        Malformed = 16 "MALFORMED",
        DiffersFromFirstMessage = 17 "DIFFERS_FROM_FIRST_MESSAGE",
        TokenDamaged = 18 "TOKEN_DAMAGED",
        TokenOfAnotherVersion = 19 "TOKEN_OF_ANOTHER_VERSION",
        TokenOfAnotherQuery = 20 "TOKEN_OF_ANOTHER_QUERY",
        InvalidRecord = 21 "INVALID_RECORD",
        PageTooLarge = 22 "PAGE_TOO_LARGE",
        DamagedValue = 23 "DAMAGED_VALUE",
    }
}

names! {
    /// Why a call is rejected, where its status code alone is not specific enough.
    ErrorReason {
        TransitionNotAllowed = 1 "TRANSITION_NOT_ALLOWED",
        TaskEnded = 2 "TASK_ENDED",
        TooManyMatches = 3 "TOO_MANY_MATCHES",
        CountNotAsExpected = 4 "COUNT_NOT_AS_EXPECTED",
        SeparatorInCustomerId = 5 "SEPARATOR_IN_CUSTOMER_ID",
        EtagMismatch = 6 "ETAG_MISMATCH",
        IdempotencyKeyReused = 7 "IDEMPOTENCY_KEY_REUSED",
        ScopeMissing = 8 "SCOPE_MISSING",
        MessageTooLarge = 9 "MESSAGE_TOO_LARGE",
        Overloaded = 10 "OVERLOADED",
        DatabaseUnavailable = 11 "DATABASE_UNAVAILABLE",
        DatabaseBusy = 12 "DATABASE_BUSY",
        Stopping = 13 "STOPPING",
        DatabaseReadOnly = 14 "DATABASE_READ_ONLY",
        DatabaseConflict = 15 "DATABASE_CONFLICT",
        OutcomeUnreadable = 16 "OUTCOME_UNREADABLE",
        TaskReplaced = 17 "TASK_REPLACED",
        AnswersUnread = 18 "ANSWERS_UNREAD",
        AnswerTooLarge = 19 "ANSWER_TOO_LARGE",
        ClientIdle = 20 "CLIENT_IDLE",
        QuotaUsedUp = 21 "QUOTA_USED_UP",
        DeadlineTooShort = 22 "DEADLINE_TOO_SHORT",
        TooManyFailedKeys = 23 "TOO_MANY_FAILED_KEYS",
        ImportTooLarge = 24 "IMPORT_TOO_LARGE",
    }
}
