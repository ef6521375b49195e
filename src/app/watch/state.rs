//! A watch and its messages.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::{sync::broadcast, time::Interval};

use super::initial::Initial;
use crate::{
    app::{App, Caller, watch_form::WatchForm, workers::feed::buffer::SharedRead},
    db::StepSize,
    domain::watch::{ChangeKind, LogPosition, WatchFilter},
    error::Error,
};

/// How often a watch checks that its key is still valid.
/// The contract allows two seconds from a revocation to the end of a watch.
pub(super) const CHECK: Duration = Duration::from_secs(1);
/// After how many checks without a message a heartbeat is sent.
pub(super) const QUIET: u32 = 10;
/// A heartbeat says that nothing changed. It is not sent if the log was not read for this long.
pub(super) const STALE: Duration = Duration::from_secs(5);

/// The deadline of a watch.
#[derive(Debug, Clone, Copy)]
pub struct WatchEnd {
    /// The deadline.
    pub at: Instant,
    /// Whether the caller set it. If not, it is the server's own limit, and the caller is asked to resume.
    pub is_callers: bool,
}

impl WatchEnd {
    /// The error of a watch that has reached its deadline.
    pub(super) fn error(&self) -> Error {
        match self.is_callers {
            true => Error::deadline_exceeded(),
            false => Error::unavailable("resume the watch with its resume_token", Duration::ZERO),
        }
    }
}

/// A message: what happened since the message before.
#[derive(Debug, Default)]
pub struct WatchMessage {
    /// The changes, in order; none in a heartbeat.
    pub changes: Vec<WatchChange>,
    /// The token to resume after this message; empty if only a new watch can continue.
    pub resume_token: String,
    /// The time up to which all committed changes are sent; `None` while more of them follow.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether the watch cannot continue, because changes are lost to it.
    pub list_again: bool,
    /// Whether the watch starts with this message, so that the client must drop what it knew.
    pub fresh: bool,
}

/// A change of one task in the filtered list.
#[derive(Debug)]
pub struct WatchChange {
    /// The kind of change.
    pub kind: ChangeKind,
    /// The change as its [`WatchForm`] encodes it.
    pub written: Bytes,
    /// The token to resume after this change; empty unless the form has tokens, and if only a new watch can continue.
    pub resume_token: String,
}

/// A watch while it runs.
pub(super) struct Watch {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) filter: WatchFilter,
    /// The customer in the filter, shared with the feed for as long as the watch lives.
    pub(super) customer: Option<Arc<String>>,
    pub(super) target_limit: usize,
    pub(super) form: Box<dyn WatchForm>,
    pub(super) end: WatchEnd,
    pub(super) phase: Phase,
    /// A read that is being sent.
    pub(super) sending: Option<Sending>,
    /// Initial tasks that are read but not sent.
    pub(super) unsent: VecDeque<WatchChange>,
    /// Up to where the log is sent, and the time of that; `None` in the middle of a read.
    pub(super) position: LogPosition,
    pub(super) as_of: Option<DateTime<Utc>>,
    /// How many tasks to read at a time while the watch is behind.
    pub(super) step: StepSize,
    /// Whether nothing is sent yet and the watch started without a token.
    pub(super) is_fresh: bool,
    /// Whether the caller has received everything up to some time.
    pub(super) is_level: bool,
    /// Ticks when the key is to be checked, and a heartbeat may be due.
    pub(super) checks: Interval,
    /// When the caller's key was last checked.
    pub(super) checked: Instant,
    /// When the last message about the log was sent.
    pub(super) sent: Instant,
    /// How many reads of its own in a row the buffer had emptied.
    pub(super) crowded_out: u32,
    /// Ticks in a row without a message.
    pub(super) quiet: u32,
}

/// The phases of a watch.
pub(super) enum Phase {
    /// Sends the initial tasks, from the snapshot at the position.
    Initial(Initial),
    /// Catches up: reads the log on its own.
    Behind,
    /// Asks to join the feed.
    Joining,
    Live(Live),
    Ended,
}

/// A watch's subscription to the feed.
pub(super) struct Live {
    pub(super) rest: broadcast::Receiver<Arc<SharedRead>>,
    pub(super) published: Arc<AtomicUsize>,
    /// How many of the published bytes it has taken.
    pub(super) taken: usize,
    /// When it last received a read.
    pub(super) fed: Instant,
    /// How many bytes the watch may be behind.
    pub(super) limit: usize,
}

/// A read, and the index of its first change that is not sent.
pub(super) struct Sending {
    pub(super) read: Arc<SharedRead>,
    pub(super) next: usize,
}
