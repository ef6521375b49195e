//! A session as the driver opens it, before the service has set it up.

use std::io;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{
    address::{Address, Stream},
    error::{Failure, FirstError, Tapped},
    tls::{Bound, Prepared},
};

/// The bytes of a connection: the SQLSTATEs are read off after the decryption.
type Bytes = Tapped<Box<dyn Stream>>;
pub(super) type Raw = tokio_postgres::Connection<Bytes, Bound<Bytes>>;

/// A connected client, the connection that drives it, and its address.
pub(super) struct RawSession {
    pub(super) client: Client,
    pub(super) raw: Raw,
    pub(super) errors: FirstError,
    pub(super) address: Address,
    pub(super) prepared: Prepared,
    /// Whether a connection pooler is between the service and PostgreSQL.
    pub(super) is_pooled: bool,
    /// Whether row-level security restricts the role.
    pub(super) is_restricted: bool,
}

impl RawSession {
    /// Runs a statement before a task drives the connection. Returns the first value.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Option<String>, Failure> {
        let asked = self.client.simple_query(sql);
        let messages = tokio::select! {
            messages = asked => messages.map_err(Failure::Postgres)?,
            ended = &mut self.raw => {
                ended.map_err(Failure::Postgres)?;
                return Err(Failure::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        };
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }
}
