//! TLS for callers.
//!
//! [`Tls`] holds the certificate that is in use and loads a renewed one without touching open connections. Each
//! connection does its handshake in its own task, so slow clients do not delay the accept loop.

mod acceptor;
mod certificate;
mod files;
mod listener;
mod opening;
mod plain;
mod stream;

pub use self::{
    acceptor::Tls,
    files::{ClientAuth, TlsFiles},
    plain::SPEAKS_TLS,
};
pub(super) use self::{listener::TlsListener, opening::Opening, stream::ClientStream};
