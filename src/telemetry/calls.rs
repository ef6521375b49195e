//! The metrics of calls, by path and transport.
//!
//! Each path with a transport has its numbers in one place. A call looks them up once, and then adds to atomics.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Unit,
};
use strum::{IntoStaticStr, VariantArray};

use super::Code;
use crate::histogram::{Histogram, HistogramValues};

/// The upper bounds of the durations of unary calls, in microseconds: 0.5 ms to 30 s.
const UNARY_BOUNDS: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];
/// The same for streams: 100 ms to a day.
const STREAM_BOUNDS: [u64; 10] = [
    100_000,
    1_000_000,
    5_000_000,
    15_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    21_600_000_000,
    86_400_000_000,
];
/// The codes that a path has from its first call on, with 0. A rate over a counter that begins with its first failure
/// would miss that failure.
const FROM_THE_START: [Code; 4] = [
    Code::Ok,
    Code::DeadlineExceeded,
    Code::Internal,
    Code::Unavailable,
];

/// How a call reaches the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum CallTransport {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web, as browsers call.
    GrpcWeb,
    /// The Connect protocol: rpcs as plain POST requests.
    Connect,
    /// HTTP requests with JSON or files as answers.
    Http,
}

/// The numbers of the calls with one path and transport.
#[derive(Debug)]
pub struct RouteCalls {
    labels: RouteLabels,
    in_flight: AtomicI64,
    /// By the number of the code.
    codes: [AtomicU64; Code::VARIANTS.len()],
    unary: Histogram,
    streams: Histogram,
    /// Bytes of the messages of streams.
    sent: AtomicU64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    path: String,
    transport: &'static str,
}

impl RouteCalls {
    fn new(path: &str, transport: CallTransport) -> Self {
        Self {
            labels: RouteLabels {
                path: path.to_owned(),
                transport: transport.into(),
            },
            in_flight: AtomicI64::new(0),
            codes: [const { AtomicU64::new(0) }; _],
            unary: Histogram::new(&UNARY_BOUNDS),
            streams: Histogram::new(&STREAM_BOUNDS),
            sent: AtomicU64::new(0),
        }
    }

    /// The path that the calls have in common.
    pub fn path(&self) -> &str {
        &self.labels.path
    }

    /// Counts a call that begins.
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// Counts a call that ends.
    pub fn end(&self, code: Code, elapsed: Duration, is_stream: bool) {
        self.in_flight.fetch_sub(1, Relaxed);
        self.codes[code as usize].fetch_add(1, Relaxed);
        match is_stream {
            true => self.streams.observe(elapsed),
            false => self.unary.observe(elapsed),
        }
    }

    /// Counts bytes of the messages of a stream.
    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }
}

/// The numbers of the calls with one path, by transport.
type OfPath = [Option<Arc<RouteCalls>>; CallTransport::VARIANTS.len()];

/// The numbers of all calls. Paths are those that the service knows, so there are few.
#[derive(Default)]
pub(super) struct Calls(RwLock<HashMap<String, OfPath>>);

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

impl Calls {
    /// The numbers of a path and transport.
    pub(super) fn of(&self, path: &str, transport: CallTransport) -> Arc<RouteCalls> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(path);
        if let Some(route) = found.and_then(|of_path| of_path[transport as usize].as_ref()) {
            return Arc::clone(route);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of_path = known.entry(path.to_owned()).or_default();
        let route = of_path[transport as usize].get_or_insert_with(|| {
            let route = RouteCalls::new(path, transport);
            Arc::new(route)
        });
        Arc::clone(route)
    }

    /// All of them, in the order of their labels.
    fn all(&self) -> Vec<Arc<RouteCalls>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.values().flatten().flatten().cloned().collect();
        drop(known);
        all.sort_by(|a, b| {
            let key = |of: &RouteCalls| (of.labels.path.clone(), of.labels.transport);
            key(a).cmp(&key(b))
        });
        all
    }
}

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let routes = self.all();
        let mut calls = encoder.encode_descriptor(
            "calls",
            "Calls that ended, by path, transport and gRPC code; CANCELLED: the caller disconnected",
            None,
            MetricType::Counter,
        )?;
        for route in &routes {
            for code in Code::VARIANTS {
                let count = route.codes[*code as usize].load(Relaxed);
                if count > 0 || FROM_THE_START.contains(code) {
                    let RouteLabels { path, transport } = &route.labels;
                    let labels = [
                        ("path", path.as_str()),
                        ("transport", transport),
                        ("code", code.name()),
                    ];
                    encode_counter(&mut calls.encode_family(&labels)?, count)?;
                }
            }
        }
        let mut in_flight = encoder.encode_descriptor(
            "calls_in_flight",
            "Calls that have begun and not ended, streams among them",
            None,
            MetricType::Gauge,
        )?;
        for route in &routes {
            let count = route.in_flight.load(Relaxed);
            in_flight
                .encode_family(&route.labels)?
                .encode_gauge(&count)?;
        }
        let mut unary = encoder.encode_descriptor(
            "call_duration",
            "Time from the headers of a unary call to its response",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for route in &routes {
            encode_family_histogram(&mut unary, &route.labels, &route.unary)?;
        }
        let mut streams = encoder.encode_descriptor(
            "stream_duration",
            "Time from the headers of a call that streams to its end: exports, imports, uploads and watches",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for route in &routes {
            encode_family_histogram(&mut streams, &route.labels, &route.streams)?;
        }
        let mut sent = encoder.encode_descriptor(
            "stream_sent",
            "Bytes of streamed answers, exports and watches; over HTTP before compression, over gRPC with the messages as they are sent",
            Some(&Unit::Bytes),
            MetricType::Counter,
        )?;
        for route in &routes {
            let bytes = route.sent.load(Relaxed);
            if bytes > 0 {
                encode_counter(&mut sent.encode_family(&route.labels)?, bytes)?;
            }
        }
        Ok(())
    }
}

/// A histogram of a family; none while it is empty.
fn encode_family_histogram(
    encoder: &mut MetricEncoder<'_>,
    labels: &RouteLabels,
    histogram: &Histogram,
) -> fmt::Result {
    let values = histogram.values();
    match values.buckets.iter().all(|(_, count)| *count == 0) {
        true => Ok(()),
        false => encode_histogram(&mut encoder.encode_family(labels)?, &values),
    }
}

pub(super) fn encode_histogram(
    encoder: &mut MetricEncoder<'_>,
    HistogramValues { buckets, sum }: &HistogramValues,
) -> fmt::Result {
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
}

pub(super) fn encode_counter(encoder: &mut MetricEncoder<'_>, count: u64) -> fmt::Result {
    encoder.encode_counter(&count, None::<&Exemplar<NoLabelSet, u64>>)
}
