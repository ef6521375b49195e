//! The outcome of a call, in one form for all transports.

use strum::{IntoStaticStr, VariantArray};

/// A status code of gRPC. Calls over HTTP have one too, so that one rule counts the failures of all transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)] // gRPC defines them: https://grpc.io/docs/guides/status-codes/
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// The code with this number; UNKNOWN for a number that gRPC does not have.
    pub fn numbered(number: usize) -> Self {
        let code = Self::VARIANTS.get(number).copied();
        code.unwrap_or(Self::Unknown)
    }

    /// The name, such as `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_at_their_numbers() {
        for (number, code) in Code::VARIANTS.iter().enumerate() {
            assert_eq!(*code as usize, number);
            assert_eq!(Code::numbered(number), *code);
        }
        assert_eq!(Code::numbered(17), Code::Unknown);
        assert_eq!(Code::numbered(8).name(), "RESOURCE_EXHAUSTED");
    }
}
