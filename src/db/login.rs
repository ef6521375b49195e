//! Logs in at an address: opens the stream, encrypts it if the URL says so and the server has TLS, and starts a session
//! with the password and the options of the URL.
//!
//! Where TLS is optional, a session that fails with TLS is tried again without, as libpq does with sslmode=prefer.

use std::sync::Arc;

use tokio_postgres::{Config, error::SqlState};

use super::{
    address::Address,
    error::{Failure, FirstError, tapped},
    password::Password,
    raw_session::RawSession,
    tls::{Channel, Encrypted, Encryption, Prepared, Tls},
};

/// How sessions are started.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) config: Config,
    pub(super) password: Password,
    /// The options of the startup message.
    pub(super) options: String,
    pub(super) encryption: Arc<Encryption>,
    /// Whether sessions were encrypted, where TLS is optional.
    pub(super) encrypted: Encrypted,
}

impl Login {
    /// Starts a session, with the options in its startup message or without.
    pub(super) async fn start(
        &self,
        address: &Address,
        has_options: bool,
    ) -> Result<RawSession, Failure> {
        let tls = self.encryption.for_address(address);
        let (is_encrypted, opened) = match self.negotiate(address, tls).await {
            Ok(channel) => {
                let is_encrypted = matches!(channel.prepared, Prepared::Encrypted(_));
                let opened = self.log_in(channel, address, has_options).await;
                (is_encrypted, opened)
            }
            Err(failure) => (matches!(failure, Failure::Tls(_)), Err(failure)),
        };
        match (tls, opened) {
            (Some(tls), Err(failure))
                if is_encrypted && tls.may_be_plain() && may_do_without_tls(&failure) =>
            {
                self.start_plain(address, has_options, failure).await
            }
            (Some(_), Ok(opened)) => {
                match is_encrypted {
                    true => self.encrypted.by_tls(address),
                    false => self.encrypted.not_offered(address),
                }
                Ok(opened)
            }
            (_, opened) => opened,
        }
    }

    /// Starts a session without TLS after one with TLS has failed.
    async fn start_plain(
        &self,
        address: &Address,
        has_options: bool,
        failed: Failure,
    ) -> Result<RawSession, Failure> {
        let channel = self.negotiate(address, None).await?;
        match self.log_in(channel, address, has_options).await {
            Ok(opened) => {
                self.encrypted.failed(address, &failed);
                Ok(opened)
            }
            // pg_hba.conf allows neither: what it asks for with TLS is what the operator wants.
            Err(again) if is_refusal(&again) && is_refusal(&failed) => Err(failed),
            Err(again) => Err(again),
        }
    }

    /// Opens a stream to `address`, and encrypts it by `tls`.
    async fn negotiate(&self, address: &Address, tls: Option<&Tls>) -> Result<Channel, Failure> {
        let stream = address.open().await.map_err(Failure::Io)?;
        match tls {
            Some(tls) => tls.handshake(stream, address).await.map_err(Failure::Tls),
            None => Ok(Channel::plain(stream)),
        }
    }

    /// Starts a session on a stream.
    async fn log_in(
        &self,
        Channel { stream, prepared }: Channel,
        address: &Address,
        has_options: bool,
    ) -> Result<RawSession, Failure> {
        let mut config = self.config.clone();
        prepared.apply(&mut config);
        self.password
            .apply(&mut config, address)
            .await
            .map_err(Failure::Password)?;
        if has_options {
            config.options(&self.options);
        }
        let errors = FirstError::default();
        let stream = tapped(stream, errors.clone());
        let connected = config.connect_raw(stream, prepared.clone()).await;
        let (client, raw) = connected.map_err(|error| {
            let tls = self.encryption.for_address(address);
            match tls.and_then(|tls| tls.of_session(&error)) {
                Some(failure) => Failure::Tls(failure),
                None => Failure::Postgres(error),
            }
        })?;
        Ok(RawSession {
            client,
            raw,
            errors,
            address: address.clone(),
            prepared,
            is_pooled: false,
            is_restricted: false,
        })
    }
}

/// Whether a connection without TLS may succeed where one with TLS has failed: the handshake failed, or pg_hba.conf
/// does not allow it.
fn may_do_without_tls(failure: &Failure) -> bool {
    matches!(failure, Failure::Tls(_)) || is_refusal(failure)
}

/// Whether pg_hba.conf refuses the connection. A wrong password has another code, and is not sent again in clear.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure, Failure::Postgres(error)
        if error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION))
}
