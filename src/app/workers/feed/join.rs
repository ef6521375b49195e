//! How a watch joins the feed, and what it gets.

use std::sync::{Arc, atomic::AtomicUsize};

use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    buffer::{SharedRead, WatchBuffer},
    catch_up::CatchUp,
};
use crate::domain::{tenant::TenantId, watch::LogPosition};

/// A watch that asks to join the feed.
pub(in crate::app) struct Join {
    pub(in crate::app) tenant: TenantId,
    /// Up to where it has sent the log; level with some snapshot.
    pub(in crate::app) position: LogPosition,
    /// The customer in its filter.
    pub(in crate::app) customer: Option<Arc<String>>,
    pub(in crate::app) reply: oneshot::Sender<Joined>,
}

/// The answer to a [`Join`].
pub(in crate::app) enum Joined {
    /// The watch has joined: it gets all up to the other watches' position, and everything after that.
    Fed(Fed),
    /// There are too many changes after its position, so it has to catch up first.
    Behind,
}

/// The subscription of a watch.
pub(in crate::app) struct Fed {
    pub(in crate::app) first: Arc<SharedRead>,
    pub(in crate::app) rest: broadcast::Receiver<Arc<SharedRead>>,
    /// How many bytes the tenant's watches have received in all; `before` is the value when this watch joined.
    pub(in crate::app) published: Arc<AtomicUsize>,
    pub(in crate::app) before: usize,
}

/// The channels through which watches join the feed or catch up.
#[derive(Debug, Clone)]
pub(in crate::app) struct Feeding {
    pub(in crate::app) joins: mpsc::Sender<Join>,
    pub(in crate::app) catch_up: Arc<CatchUp>,
    pub(in crate::app) buffer: Arc<WatchBuffer>,
}
