//! Opens connections where the database grants fewer than the service would like to have.
//!
//! PostgreSQL refuses a connection at once. A connection pooler lets it wait for one of its own, which looks like a database
//! that does not answer until the time limit passes. In both cases the connections that the service has are shared out: its
//! own work comes first, since calls can take turns at one connection, and the pool gives one up for an export.

use std::time::{Duration, Instant};

use super::{
    Db,
    connector::Session,
    error::{ConnectError, Outage},
    session::Connection,
};
use crate::error::Result;

/// How long a new connection outside of the pool waits until PostgreSQL has closed one of the pool's.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// How long the start of a service waits for more connections if PostgreSQL grants fewer than requested.
const SHORT_WAIT: Duration = Duration::from_millis(500);
/// The interval of retries while PostgreSQL still counts a connection that was closed.
const ROOM_POLL: Duration = Duration::from_millis(50);

/// The connections that the database gives a service at its start.
#[derive(Debug, Clone, Copy)]
pub struct Granted {
    /// Their number.
    pub connections: usize,
    /// Whether a connection pooler has no more.
    pub is_pooler_full: bool,
}

impl Db {
    /// Opens `count` connections for the pool, or as many as PostgreSQL grants, so that the first callers need not wait
    /// for them. Returns how many of `count` + `beside` connections PostgreSQL granted; an error if it grants none. If it
    /// grants fewer, the pool leaves `beside` of them to the service's own work, and has at least one.
    pub async fn warm_up(&self, count: usize, beside: usize) -> Result<Granted> {
        let (began, wanted) = (Instant::now(), count + beside);
        let mut opened = Vec::new();
        let is_pooler_full = loop {
            // All at once: PostgreSQL starts a process for each connection, and a service that
            // opened them one after the other would wait for each in turn.
            let missing = (opened.len()..wanted).map(|_| self.connector().connect());
            let mut failed = None;
            for connected in futures_util::future::join_all(missing).await {
                match connected {
                    Ok(connection) => opened.push(connection),
                    Err(error) => failed = Some(error),
                }
            }
            // PostgreSQL still counts connections for a moment after they were closed.
            let is_short = failed.as_ref().map(ConnectError::outage) == Some(Outage::Connections);
            if is_short && began.elapsed() < SHORT_WAIT {
                tokio::time::sleep(ROOM_POLL).await;
                continue;
            }
            match failed {
                Some(error) if opened.is_empty() => {
                    return Err(self.reports().connect_error(error));
                }
                failed => break failed.is_some_and(|error| error.is_pooler_full()),
            }
        };
        let given = opened.len();
        // The connections beside the pool were opened only to learn whether PostgreSQL grants them.
        opened.truncate(given.saturating_sub(beside).max(1));
        self.pool.begin(opened, count, is_pooler_full);
        Ok(Granted {
            connections: given,
            is_pooler_full,
        })
    }

    /// Opens a connection outside of the pool, for work that must not wait for the pool or that takes long. If
    /// PostgreSQL grants no more connections, an idle one of the pool is closed.
    pub async fn connect_alone(&self) -> Result<Connection> {
        let mut room = Room::default();
        loop {
            match self.connector().connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) => self.make_room(&mut room, error).await?,
            }
        }
    }

    /// As `connect_alone`, for COPY, which diesel lacks.
    pub(super) async fn connect_client(&self) -> Result<Session> {
        let mut room = Room::default();
        loop {
            match self.connector().connect_client().await {
                Ok(opened) => return Ok(opened),
                Err(error) => self.make_room(&mut room, error).await?,
            }
        }
    }

    /// After a refused connection, closes an idle one of the pool and waits; returns the refusal if that is impossible.
    async fn make_room(&self, room: &mut Room, refused: ConnectError) -> Result<()> {
        let is_late = match refused.is_pooler_full() {
            // Each attempt waits for as long as the time limit of connections.
            true => room.is_made,
            false => refused.outage() != Outage::Connections || room.began.elapsed() > ROOM_WAIT,
        };
        let error = self.connector().reports().connect_error(refused);
        if is_late {
            return Err(error);
        }
        room.is_made |= self.pool.make_room();
        if !room.is_made {
            return Err(error);
        }
        tokio::time::sleep(ROOM_POLL).await;
        Ok(())
    }
}

/// The attempt to make room for a connection: its start, and whether a connection of the pool was closed for it.
struct Room {
    began: Instant,
    is_made: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            is_made: false,
        }
    }
}
