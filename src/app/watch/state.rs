//! A watch and its messages.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicUsize},
    time::Instant,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::{sync::broadcast, time::Interval};

use super::initial::Initial;
use crate::{
    app::{App, Caller, watch_form::WatchForm, workers::feed::buffer::SharedRead},
    db::StepSize,
    domain::watch::{ChangeKind, LogPosition, WatchFilter},
};

/// When a watch ends.
#[derive(Debug, Clone, Copy)]
pub struct WatchEnd {
    /// The instant.
    pub at: Instant,
    /// Whether the caller named it. Else it is the server's own limit, after which a watch is to be resumed.
    pub is_callers: bool,
}

/// What came to pass since the message before.
#[derive(Debug, Default)]
pub struct WatchMessage {
    /// The changes, in order. None in a heartbeat.
    pub changes: Vec<WatchChange>,
    /// Goes on behind this message; empty where only a new watch can.
    pub resume_token: String,
    /// The instant whose committed state is told up to here; `None` while more of it is to come.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether the watch cannot go on, as changes are lost to it.
    pub list_again: bool,
    /// Whether the watch begins with this message, so that nothing of what the client knew holds.
    pub fresh: bool,
}

/// One task that came, changed or went.
#[derive(Debug)]
pub struct WatchChange {
    /// What happened.
    pub kind: ChangeKind,
    /// The change as its [`WatchForm`] writes it.
    pub written: Bytes,
    /// Goes on behind this change; empty unless the form wants it, and where only a new watch can.
    pub resume_token: String,
}

/// The state of the HTTP/2 checks.
pub(super) struct Watch {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) filter: WatchFilter,
    /// The filter's customer, as long as whose tasks are looked for.
    pub(super) customer: Option<Arc<String>>,
    pub(super) target_limit: usize,
    pub(super) form: Box<dyn WatchForm>,
    pub(super) end: WatchEnd,
    pub(super) phase: Phase,
    /// A read that is being told.
    pub(super) telling: Option<Telling>,
    /// Initial tasks that are read and not told.
    pub(super) untold: VecDeque<WatchChange>,
    /// How far the log is told, and the instant of it where that is all.
    pub(super) position: LogPosition,
    pub(super) as_of: Option<DateTime<Utc>>,
    /// How many tasks to read at a time while it is behind.
    pub(super) step: StepSize,
    /// Whether nothing is told yet, and the watch began without a token.
    pub(super) is_fresh: bool,
    /// Whether the caller knows that it has all that there was at an instant.
    pub(super) is_level: bool,
    pub(super) looks: Interval,
    pub(super) checked: Instant,
    /// When the last message about the log was made.
    pub(super) told: Instant,
    /// How often in a row there was no room for what it read on its own.
    pub(super) crowded_out: u32,
    pub(super) quiet: u32,
}

pub(super) enum Phase {
    /// The tasks that there are, from the snapshot at the position.
    Initial(Initial),
    /// Reads the log on its own.
    Behind,
    /// Asks the feed to let it in.
    Joining,
    Live(Live),
    Ended,
}

pub(super) struct Live {
    pub(super) rest: broadcast::Receiver<Arc<SharedRead>>,
    pub(super) published: Arc<AtomicUsize>,
    /// How much of what was published it took.
    pub(super) taken: usize,
    /// When it last heard of the feed.
    pub(super) fed: Instant,
    /// Most bytes that it may be behind.
    pub(super) limit: usize,
}

/// A read, and the index of the first change that is not told.
pub(super) struct Telling {
    pub(super) read: Arc<SharedRead>,
    pub(super) next: usize,
}
