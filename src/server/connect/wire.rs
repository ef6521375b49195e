//! Headers of the Connect protocol.

use http::{HeaderName, HeaderValue};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Whether a header belongs to gRPC and not to the caller.
pub(super) fn is_of_grpc(name: &HeaderName) -> bool {
    name.as_str().starts_with("grpc-")
}
