//! The settings of TLS for callers.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::PossibleValue};

use super::duration;
use crate::server::{ClientAuth, TlsFiles};

/// The settings of TLS on the ports of the service.
#[derive(Debug, Clone, Args)]
pub struct TlsSettings {
    /// File with the certificate of the service and its intermediate certificates, in PEM form; callers must then use
    /// TLS. A renewed file is used within a minute, or at once after SIGHUP
    #[arg(
        long,
        env = "OUTBOUND_TASKS_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// File with the private key of the certificate, in PEM form and not encrypted
    #[arg(
        long,
        env = "OUTBOUND_TASKS_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// File with the authorities of clients' certificates, in PEM form; by default no certificate is requested
    #[arg(
        long,
        env = "OUTBOUND_TASKS_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_client_ca: Option<PathBuf>,
    /// Whether clients need a certificate of these authorities; by default require
    #[arg(
        long,
        env = "OUTBOUND_TASKS_TLS_CLIENT_AUTH",
        value_enum,
        requires = "tls_client_ca"
    )]
    pub tls_client_auth: Option<ClientAuth>,
    /// How long a client may take for the TLS handshake
    #[arg(long, env = "OUTBOUND_TASKS_TLS_HANDSHAKE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub tls_handshake_timeout: Duration,
    /// Serve the admin address over TLS too, with the same certificate; it requests no certificate of clients
    #[arg(long, env = "OUTBOUND_TASKS_ADMIN_TLS", requires = "tls_cert")]
    pub admin_tls: bool,
}

impl TlsSettings {
    /// The files of the certificate; `None` without TLS.
    pub fn files(&self) -> Option<TlsFiles> {
        let auth = self.tls_client_auth.unwrap_or(ClientAuth::Require);
        Some(TlsFiles {
            cert: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
            client_ca: self.tls_client_ca.clone().map(|path| (path, auth)),
        })
    }
}

impl ValueEnum for ClientAuth {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Request, Self::Require]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = match self {
            Self::Request => (
                "request",
                "A client may present one, which must then be valid",
            ),
            Self::Require => ("require", "A client without one is refused"),
        };
        Some(PossibleValue::new(word).help(help))
    }
}
