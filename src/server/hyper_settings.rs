//! The settings of hyper for the connections of callers.

use std::time::Duration;

use hyper::rt::Executor;
use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};

use crate::request::sent::run_stream;

/// HTTP/2 settings: the maximum number of concurrent streams, the flow-control windows in bytes, and the header list.
const MAX_STREAMS: u32 = 100;
/// The maximum number of streams that wait for hyper although their client has reset them; one more ends the connection.
/// They do not count as concurrent. h2's default of 20 would end the connection of all its callers when the deadlines of
/// many calls pass at once: twice the concurrent streams lets all of them be cancelled, and their retries too.
const MAX_RESET_STREAMS: usize = 2 * MAX_STREAMS as usize;
const STREAM_WINDOW: u32 = 64 * 1024;
/// h2 ends a connection whose unread small DATA frames add up to more than half of this window, where it counts a frame of less
/// than 256 bytes as what it lacks to 256. A client that uploads faster than the database takes it fills the windows of its
/// streams, and a message of an import may have 8 bytes: that is 2 MiB for each of four uploads. All streams together need
/// 6.25 MiB of it.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// The largest HTTP/1.1 head in bytes. It is larger than for HTTP/2 because it holds the request line with its query.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Interval of HTTP/2 PING frames, and how long a client may take to acknowledge one.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs hyper's task of each HTTP/2 stream under the write timeout.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamExecutor {
    write_timeout: Duration,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        tokio::spawn(run_stream(task, self.write_timeout));
    }
}

/// Builds connections. `idle`: how long an HTTP/1.1 client may take to the complete headers of a request. `write_timeout`: how
/// long the client of an HTTP/2 stream may take no byte of it.
pub(super) fn builder(idle: Duration, write_timeout: Duration) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(StreamExecutor { write_timeout });
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(MAX_HEAD_BYTES)
        .header_read_timeout(idle);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}
