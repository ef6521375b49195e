//! How a watch joins the feed, and what it gets.

use std::sync::{Arc, atomic::AtomicUsize};

use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    buffer::{SharedRead, WatchBuffer},
    catch_up::CatchUp,
};
use crate::domain::{tenant::TenantId, watch::LogPosition};

/// A new watch.
pub(in crate::app) struct Join {
    pub(in crate::app) tenant: TenantId,
    /// How far it is: level with some snapshot.
    pub(in crate::app) position: LogPosition,
    /// The customer that its filter names.
    pub(in crate::app) customer: Option<Arc<String>>,
    pub(in crate::app) reply: oneshot::Sender<Joined>,
}

/// What a new watch gets.
pub(in crate::app) enum Joined {
    /// All up to the others' position, and what follows.
    Fed(Fed),
    /// Too much lies beyond its position: it has to catch up first.
    Behind,
}

/// A watch's end of the feed.
pub(in crate::app) struct Fed {
    pub(in crate::app) first: Arc<SharedRead>,
    pub(in crate::app) rest: broadcast::Receiver<Arc<SharedRead>>,
    /// How many bytes the watches of the tenant got in all, and how many before this one.
    pub(in crate::app) published: Arc<AtomicUsize>,
    pub(in crate::app) before: usize,
}

/// Where watches ask to be fed.
#[derive(Debug, Clone)]
pub(in crate::app) struct Feeding {
    pub(in crate::app) joins: mpsc::Sender<Join>,
    pub(in crate::app) catch_up: Arc<CatchUp>,
    pub(in crate::app) buffer: Arc<WatchBuffer>,
}
