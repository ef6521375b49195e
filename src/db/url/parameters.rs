//! The parameters of a database URL: which ones are known, and those that the driver does not get.

use std::path::PathBuf;

use crate::{
    db::tls::{Mode, Roots, TlsParameters},
    error::{Error, ErrorKind, Result},
};

/// The parameters that the service supports, with the allowed values if they are limited.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("application_name", &[]),
    ("channel_binding", &["disable", "prefer", "require"]),
    ("connect_timeout", &[]),
    ("dbname", &[]),
    ("host", &[]),
    ("hostaddr", &[]),
    ("keepalives", &[]),
    ("keepalives_idle", &[]),
    ("keepalives_interval", &[]),
    ("keepalives_retries", &[]),
    ("load_balance_hosts", &["disable", "random"]),
    ("options", &[]),
    ("password", &[]),
    ("port", &[]),
    ("sslcert", &[]),
    ("sslkey", &[]),
    (
        "sslmode",
        &["disable", "prefer", "require", "verify-ca", "verify-full"],
    ),
    ("sslnegotiation", &["postgres", "direct"]),
    ("sslrootcert", &[]),
    ("target_session_attrs", &["any", "read-write", "read-only"]),
    ("tcp_user_timeout", &[]),
    ("user", &[]),
];

/// The parameters that libpq knows besides (PostgreSQL 18, "Parameter Key Words").
const OF_LIBPQ: &[&str] = &[
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives_count",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslpassword",
    "sslsni",
];

/// Checks that a parameter is known, and that it may have this value.
pub(super) fn check(name: &str, value: &str) -> Result<()> {
    let Some((_, allowed)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = PARAMETERS.iter().map(|(known, _)| *known).collect();
        let known = known.join(", ");
        return Err(bad_usage(match OF_LIBPQ.contains(&name) {
            true => format!(
                "--database-url has the parameter \"{name}\", which libpq knows but the service does not; known \
                parameters are {known}"
            ),
            false => format!(
                "--database-url has the unknown parameter \"{}\"; known parameters are {known}",
                name.escape_debug()
            ),
        }));
    };
    if allowed.is_empty() || allowed.contains(&value) {
        return Ok(());
    }
    Err(bad_usage(format!(
        "--database-url has {name}={}, which must be {}",
        value.escape_debug(),
        allowed.join(" or ")
    )))
}

/// The parameters that the driver does not get, as they stand in the URL.
#[derive(Default)]
pub(super) struct Found {
    /// The options of the startup message.
    pub(super) options: String,
    mode: Option<Mode>,
    roots: Option<Roots>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    is_direct: bool,
}

impl Found {
    /// Takes a checked parameter. False if it is the driver's.
    pub(super) fn take(&mut self, name: &str, value: &str) -> bool {
        // An empty value stands for the default, as in libpq.
        let path = || {
            Some(value)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        match name {
            "options" => self.options = value.to_owned(),
            "sslmode" => self.mode = value.parse().ok(),
            "sslrootcert" => {
                self.roots = match value {
                    "system" => Some(Roots::System),
                    _ => path().map(Roots::File),
                }
            }
            "sslcert" => self.cert = path(),
            "sslkey" => self.key = path(),
            "sslnegotiation" => self.is_direct = value == "direct",
            _ => return false,
        }
        true
    }

    /// Checks the parameters of TLS against each other.
    pub(super) fn finish(self) -> Result<TlsParameters> {
        let is_system = self.roots == Some(Roots::System);
        let mode = match self.mode {
            Some(mode) => mode,
            // As in libpq: any public authority signs certificates for anybody, so the name must be checked too.
            None if is_system => Mode::VerifyFull,
            None => Mode::default(),
        };
        let name: &str = mode.into();
        if is_system && mode != Mode::VerifyFull {
            return Err(bad_usage(format!(
                "--database-url has sslrootcert=system with sslmode={name}, which must be verify-full"
            )));
        }
        if self.is_direct && matches!(mode, Mode::Disable | Mode::Prefer) {
            return Err(bad_usage(format!(
                "--database-url has sslnegotiation=direct with sslmode={name}, which must be require or verify-ca or \
                verify-full"
            )));
        }
        let roots = match (self.roots, mode) {
            (None, Mode::VerifyFull) => Some(Roots::System),
            (None, Mode::VerifyCa) => {
                return Err(bad_usage(
                    "--database-url has sslmode=verify-ca, which needs sslrootcert=FILE with the authorities to trust; \
                    sslmode=verify-full without it trusts those of the system",
                ));
            }
            (roots, _) => roots,
        };
        let client = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (cert, _) => {
                let (has, lacks) = match cert {
                    Some(_) => ("sslcert", "sslkey"),
                    None => ("sslkey", "sslcert"),
                };
                return Err(bad_usage(format!(
                    "--database-url has {has} without {lacks}; a client certificate needs both"
                )));
            }
        };
        Ok(TlsParameters {
            mode,
            roots,
            client,
            is_direct: self.is_direct,
        })
    }
}

pub(super) fn bad_usage(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadUsage, why)
}
