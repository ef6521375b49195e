//! TLS to PostgreSQL: the URL's parameters, the configuration of rustls, and the handshake.
//!
//! The parameters mean what they mean to libpq (PostgreSQL, "SSL Support"), with two exceptions: nothing is read from
//! `~/.postgresql`, and `verify-full` without `sslrootcert` trusts the system's authorities. The handshake happens before
//! the driver sees the stream, because the driver knows three of the modes only, and because the SQLSTATEs are read off
//! the decrypted bytes.

mod change;
mod config;
mod endpoint;
mod failure;
mod stream;
mod verify;

use std::path::PathBuf;

pub(super) use change::Encrypted;
pub(super) use config::{Encryption, Tls};
pub(super) use failure::TlsFailure;
pub(super) use stream::{Bound, Channel, Prepared};

/// How a connection over TCP is encrypted and how the server is checked: `sslmode`. A Unix-domain socket never is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Mode {
    /// No TLS.
    Disable,
    /// TLS if the server has it.
    #[default]
    Prefer,
    /// TLS; the chain of the certificate is checked if `sslrootcert` is set.
    Require,
    /// TLS, with the chain of the certificate checked.
    VerifyCa,
    /// TLS, with the chain and the name of the certificate checked.
    VerifyFull,
}

/// The authorities that may have signed the server's certificate: `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those that the operating system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

/// The parameters of the URL that concern TLS, checked against each other.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsParameters {
    pub(super) mode: Mode,
    /// `None` if the chain is not checked.
    pub(super) roots: Option<Roots>,
    /// The PEM files of the client's certificate chain and of its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// Whether the handshake begins without asking the server first (`sslnegotiation=direct`, PostgreSQL 17).
    pub(super) is_direct: bool,
}
