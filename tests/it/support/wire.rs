//! One call, the list, over each of the transports, for tests that must hold for all of them.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, Method};
use outbound_tasks::pb::{ListOutboundTasksRequest, ListOutboundTasksResponse};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::http::{Answer, Error, Http, frame};

pub const RPC: &str = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";
pub const LIST: &str = "/api/v1/outboundtasks";

/// A transport, and the version of HTTP below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Grpc,
    Web1,
    Web2,
    Json1,
    Json2,
    Connect1,
    Connect2,
}

pub const WIRES: [Wire; 7] = [
    Wire::Grpc,
    Wire::Web1,
    Wire::Web2,
    Wire::Json1,
    Wire::Json2,
    Wire::Connect1,
    Wire::Connect2,
];
/// The transports of streams.
pub const STREAM_WIRES: [Wire; 5] = [Wire::Grpc, Wire::Web1, Wire::Web2, Wire::Json1, Wire::Json2];

impl Wire {
    pub fn is_connect(self) -> bool {
        matches!(self, Self::Connect1 | Self::Connect2)
    }

    /// The header of a caller's timeout.
    pub fn timeout(self) -> &'static str {
        match self.is_connect() {
            true => "connect-timeout-ms",
            false => "grpc-timeout",
        }
    }
}

/// A client of all transports, with a connection of its own over each version of HTTP.
#[derive(Clone)]
pub struct Caller {
    one: Http,
    two: Http,
}

/// The outcome of a call, in the same form for all transports.
#[derive(Debug)]
pub struct Outcome {
    pub code: Code,
    /// The list's total, after a successful call.
    pub total: Option<i64>,
    pub retry_after: Option<Duration>,
    /// The error as it was sent, without the request's id.
    pub error: String,
    pub headers: HeaderMap,
    /// The whole answer, as text.
    pub sent: String,
}

impl Caller {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            one: Http::new(address, ""),
            two: Http::http2(address, ""),
        }
    }

    /// Makes the call with these headers; it must be answered.
    pub async fn list(&self, wire: Wire, headers: &[(&str, &str)]) -> Outcome {
        let answered = self.try_list(wire, "", headers).await;
        answered.unwrap_or_else(|error| panic!("{wire:?}: {error:?}"))
    }

    /// Makes the call with this query string, which gRPC does not read, and these headers.
    pub async fn try_list(
        &self,
        wire: Wire,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Outcome, Error> {
        let http = match wire {
            Wire::Web1 | Wire::Json1 | Wire::Connect1 => &self.one,
            Wire::Grpc | Wire::Web2 | Wire::Json2 | Wire::Connect2 => &self.two,
        };
        let kind = match wire {
            Wire::Connect1 | Wire::Connect2 => {
                let timeout = headers.iter().find(|(name, _)| *name == "grpc-timeout");
                let timeout = timeout.map(|(_, value)| in_milliseconds(value));
                let mut all = vec![("content-type", "application/json")];
                all.extend(headers.iter().filter(|(name, _)| *name != "grpc-timeout"));
                all.extend(
                    timeout
                        .as_ref()
                        .map(|value| (wire.timeout(), value.as_str())),
                );
                let path = format!("{RPC}?{query}");
                let sent = http.try_send(Method::POST, &path, &all, b"{}".to_vec());
                return sent.await.map(|answer| of_connect(&answer));
            }
            Wire::Json1 | Wire::Json2 => {
                let path = format!("{LIST}?{query}");
                let sent = http.try_send(Method::GET, &path, headers, Vec::new());
                return sent.await.map(|answer| of_json(&answer));
            }
            Wire::Grpc => "application/grpc",
            Wire::Web1 | Wire::Web2 => "application/grpc-web+proto",
        };
        let mut all = vec![("content-type", kind), ("te", "trailers")];
        all.extend(headers);
        let message = frame(&ListOutboundTasksRequest::default());
        let path = format!("{RPC}?{query}");
        let sent = http.try_send(Method::POST, &path, &all, message);
        sent.await.map(|answer| of_grpc(&answer))
    }
}

/// A timeout of gRPC as the Connect protocol writes it. What gRPC cannot read, Connect cannot read either.
fn in_milliseconds(timeout: &str) -> String {
    let (digits, unit) = timeout.split_at(timeout.len().saturating_sub(1));
    let read = |digits: &str| digits.parse::<u64>().ok().filter(|_| digits.len() <= 8);
    let milliseconds = read(digits).and_then(|count| match unit {
        "M" => Some(count * 60_000),
        "S" => Some(count * 1000),
        "m" => Some(count),
        "u" => Some(count / 1000),
        "n" => Some(count / 1_000_000),
        _ => None,
    });
    milliseconds.map_or(format!("{timeout}ms"), |count| count.to_string())
}

fn of_connect(answer: &Answer) -> Outcome {
    let mut json = answer.json();
    let (code, status) = match json["code"].as_str() {
        None => (Code::Ok, 200),
        Some("invalid_argument") => (Code::InvalidArgument, 400),
        Some("unauthenticated") => (Code::Unauthenticated, 401),
        Some("permission_denied") => (Code::PermissionDenied, 403),
        Some("resource_exhausted") => (Code::ResourceExhausted, 429),
        Some("deadline_exceeded") => (Code::DeadlineExceeded, 504),
        Some("unavailable") => (Code::Unavailable, 503),
        Some("internal") => (Code::Internal, 500),
        Some(other) => panic!("{other}"),
    };
    assert_eq!(answer.status, status, "{json}");
    assert_eq!(answer.header("content-type"), "application/json");
    let retry_after = answer.header("retry-after").parse().ok();
    if let Some(details) = json["details"].as_array_mut() {
        details.retain(|detail| detail["type"] != "google.rpc.RequestInfo");
    }
    Outcome {
        code,
        total: json["total"].as_i64(),
        retry_after: retry_after.map(Duration::from_secs),
        error: match code {
            Code::Ok => String::new(),
            _ => json.to_string(),
        },
        headers: answer.headers.clone(),
        sent: as_text(answer),
    }
}

fn of_json(answer: &Answer) -> Outcome {
    let mut json = answer.json();
    let error = &mut json["error"];
    let code = match error["status"].as_str() {
        None => Code::Ok,
        Some("INVALID_ARGUMENT") => Code::InvalidArgument,
        Some("UNAUTHENTICATED") => Code::Unauthenticated,
        Some("PERMISSION_DENIED") => Code::PermissionDenied,
        Some("RESOURCE_EXHAUSTED") => Code::ResourceExhausted,
        Some("DEADLINE_EXCEEDED") => Code::DeadlineExceeded,
        Some("UNAVAILABLE") => Code::Unavailable,
        Some("INTERNAL") => Code::Internal,
        Some(other) => panic!("{other}"),
    };
    let status = match code {
        Code::Ok => 200,
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Internal => 500,
        Code::Unavailable => 503,
        _ => 504,
    };
    assert_eq!(answer.status, status, "{json}");
    let retry_after = answer.header("retry-after").parse().ok();
    if let Some(error) = json["error"].as_object_mut() {
        error.remove("request_id");
    }
    Outcome {
        code,
        total: json["total"].as_i64(),
        retry_after: retry_after.map(Duration::from_secs),
        error: json["error"].to_string(),
        headers: answer.headers.clone(),
        sent: as_text(answer),
    }
}

fn of_grpc(answer: &Answer) -> Outcome {
    let (message, trailers) = answer.unary::<ListOutboundTasksResponse>();
    let status = Status::from_header_map(&trailers).expect("an answer has a status");
    let details = status.get_error_details();
    let retry_after = details.retry_info().and_then(|r| r.retry_delay);
    let id = answer.header("x-request-id");
    Outcome {
        code: status.code(),
        total: message.map(|m| m.total.into()),
        retry_after,
        error: format!("{} {details:?}", status.message()).replace(id, "the id"),
        headers: answer.headers.clone(),
        sent: as_text(answer),
    }
}

fn as_text(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    format!("{:?}\n{body}\n{:?}", answer.headers, answer.trailers)
}
