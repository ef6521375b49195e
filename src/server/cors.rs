//! Cross-Origin Resource Sharing (CORS): which pages may call the service, and with which headers.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may cache a CORS preflight response.
/// Chromium accepts at most two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(7200);

/// The web origins that may call the service (CORS).
#[derive(Debug, Clone)]
pub enum Origins {
    /// Pages of any origin.
    Any,
    /// Pages of these origins; no page if the list is empty.
    These(Vec<HeaderValue>),
}

/// The layer that answers preflights and adds the headers; `None` if no page may call the service.
pub(super) fn layer(origins: &Origins) -> Option<CorsLayer> {
    let origins = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::These(list) if list.is_empty() => return None,
        Origins::These(list) => AllowOrigin::list(list.clone()),
    };
    let names = |list: &'static [&'static str]| list.iter().copied().map(HeaderName::from_static);
    Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(
                names(&[
                    "authorization",
                    "connect-protocol-version",
                    "connect-timeout-ms",
                    "content-encoding",
                    "content-type",
                    "grpc-timeout",
                    "last-event-id",
                    "traceparent",
                    "tracestate",
                    "x-api-key",
                    "x-grpc-web",
                    "x-request-id",
                    "x-user-agent",
                ])
                .collect::<Vec<_>>(),
            )
            .expose_headers(
                names(&[
                    "grpc-message",
                    "grpc-status",
                    "grpc-status-details-bin",
                    "idempotent-replayed",
                    "ratelimit",
                    "ratelimit-policy",
                    "retry-after",
                    "x-request-id",
                ])
                .collect::<Vec<_>>(),
            )
            .max_age(PREFLIGHT_MAX_AGE),
    )
}
