//! Log lines on standard error. A thread of their own writes them, so that calls go on while standard error takes nothing,
//! as when the program that reads it stands still. Then [`WAITING_LINES`] lines wait; further ones are lost, and counted by a
//! metric.

use std::{
    io::{BufWriter, IsTerminal},
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

/// Lines that may wait, some seconds of a busy service; they take about 200 bytes each.
const WAITING_LINES: usize = 16_384;
/// The minimum time between two log lines of a [`RareLog`].
const RARE: Duration = Duration::from_secs(60);

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// The thread that writes the log lines.
struct Writer {
    guard: Mutex<Option<WorkerGuard>>,
    lost: ErrorCounter,
}

/// The filter of log lines, which can be changed.
struct Filter {
    /// As it was given.
    text: Mutex<String>,
    change: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

static WRITER: OnceLock<Writer> = OnceLock::new();
static FILTER: OnceLock<Filter> = OnceLock::new();

/// Starts logging. `filter` uses the directives of tracing, such as `info` or `warn,outbound_tasks=debug`. Returns the
/// error as a sentence if the filter is invalid or logging was already started.
pub fn start_logging(filter: &str, format: LogFormat) -> Result<(), String> {
    let parsed = read(filter).map_err(|e| format!("--log cannot be read: {e}"))?;
    // Standard output belongs to the results of commands.
    let output = std::io::stderr();
    let is_terminal = output.is_terminal();
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(BufWriter::new(output));
    let lost = writer.error_counter();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(writer)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(is_terminal);
    // The type of the handle depends on the format.
    macro_rules! start {
        ($logs:expr) => {{
            let logs = $logs.with_filter_reloading();
            let handle = logs.reload_handle();
            let change = move |filter| handle.reload(filter).map_err(|e| e.to_string());
            logs.try_init().map_err(|e| e.to_string())?;
            Box::new(change)
        }};
    }
    let change: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync> = match format {
        LogFormat::Text => start!(logs),
        LogFormat::Json => start!(logs.json()),
    };
    let text = Mutex::new(filter.to_owned());
    // As of the writer below, there is one only.
    let _ = FILTER.set(Filter { text, change });
    let guard = Mutex::new(Some(guard));
    let started = WRITER.set(Writer { guard, lost });
    started.map_err(|_| "logging was already started".to_owned())
}

/// Reads a filter. Lines of tonic-web are left out whatever it says: they have whole paths, in which a key may be.
fn read(filter: &str) -> Result<EnvFilter, Box<dyn std::error::Error>> {
    Ok(EnvFilter::try_new(filter)?.add_directive("tonic_web=off".parse()?))
}

/// The filter of log lines; `None` before logging was started.
pub fn log_filter() -> Option<String> {
    let filter = FILTER.get()?;
    let text = filter.text.lock().unwrap_or_else(PoisonError::into_inner);
    Some(text.clone())
}

/// Changes the filter of log lines until the program ends. Returns the error as a sentence, and changes nothing, if the
/// filter is invalid or logging was not started.
pub fn change_log_filter(filter: &str) -> Result<(), String> {
    let filter = filter.trim();
    if filter.is_empty() {
        return Err("the filter is empty; an example is info,outbound_tasks=debug".to_owned());
    }
    let parsed = read(filter).map_err(|error| format!("the filter cannot be read: {error}"))?;
    let current = FILTER.get().ok_or("logging was not started")?;
    let mut text = current.text.lock().unwrap_or_else(PoisonError::into_inner);
    (current.change)(parsed)?;
    filter.clone_into(&mut text);
    Ok(())
}

/// Writes the lines that wait, for at most a second. Later lines are lost, so it is for the end of the program.
pub fn end_logging() {
    let guard = WRITER.get().and_then(|writer| {
        let mut guard = writer.guard.lock().unwrap_or_else(PoisonError::into_inner);
        guard.take()
    });
    drop(guard);
}

/// The number of lines that were not written because too many waited.
pub(super) fn lines_lost() -> u64 {
    let lost = WRITER.get().map(|writer| writer.lost.dropped_lines());
    lost.unwrap_or_default() as u64
}

/// Limits the log lines about something that clients can cause at any rate to one a minute.
#[derive(Debug, Default)]
pub struct RareLog(Mutex<Option<Instant>>);

impl RareLog {
    /// Whether to log now; if so, the next minute is silent.
    pub fn is_due(&self) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = logged.is_none_or(|at| at.elapsed() >= RARE);
        if is_due {
            *logged = Some(Instant::now());
        }
        is_due
    }
}
