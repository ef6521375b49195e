//! Why no encrypted connection could be made, and what to do about it.

use std::{error::Error as StdError, fmt, io};

use rustls::{AlertDescription, CertificateError, Error as Rustls, pki_types::ServerName};

use super::{Mode, Roots, TlsParameters};
use crate::pem_file::plain_name;

/// Why TLS with the server failed.
#[derive(Debug)]
pub(in crate::db) enum TlsFailure {
    /// The server has no TLS, and the mode asks for it.
    NoTls(Mode),
    /// The server answered something else than yes or no to the question for TLS.
    NoAnswer(u8),
    /// The server ended the handshake, or did not speak TLS.
    Ended { error: io::Error, is_direct: bool },
    /// Direct TLS was taken for another protocol than PostgreSQL's.
    OtherProtocol,
    /// The name cannot be in a certificate.
    Name(String),
    /// rustls gave up.
    Rustls {
        error: Rustls,
        /// The authorities that were trusted.
        roots: Option<Roots>,
        has_client: bool,
    },
}

impl TlsFailure {
    /// The failure of a handshake, from the error of the stream.
    pub(super) fn of_handshake(error: io::Error, parameters: &TlsParameters) -> Self {
        match rustls_error(&error) {
            // A record that is none: the server speaks another protocol.
            Some(Rustls::InvalidMessage(_)) | None => Self::Ended {
                error,
                is_direct: parameters.is_direct,
            },
            Some(inner) => Self::of_rustls(inner, parameters),
        }
    }

    /// The failure that TLS reports after the handshake: with TLS 1.3, a server refuses a client's certificate then.
    pub(super) fn of_session(
        error: &tokio_postgres::Error,
        parameters: &TlsParameters,
    ) -> Option<Self> {
        let io: &io::Error = error.source()?.downcast_ref()?;
        Some(Self::of_rustls(rustls_error(io)?, parameters))
    }

    fn of_rustls(error: &Rustls, parameters: &TlsParameters) -> Self {
        Self::Rustls {
            error: error.clone(),
            roots: parameters.roots.clone(),
            has_client: parameters.client.is_some(),
        }
    }

    /// The failure without names of hosts and files.
    pub(in crate::db) fn summary(&self) -> &'static str {
        match self {
            Self::NoTls(_) => "it does not use TLS",
            Self::Name(_) => "its name cannot be checked",
            Self::Rustls {
                error, has_client, ..
            } => match error {
                Rustls::InvalidCertificate(why) => match why {
                    CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                        "its certificate has expired"
                    }
                    CertificateError::UnknownIssuer => "its certificate is of an unknown authority",
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. } => {
                        "its certificate is for another name"
                    }
                    _ => "its certificate is not valid",
                },
                Rustls::AlertReceived(alert) if refuses_client(*alert, *has_client) => {
                    "it refuses the client certificate"
                }
                _ => "the TLS handshake failed",
            },
            _ => "the TLS handshake failed",
        }
    }
}

/// rustls's error inside of an error of the stream.
fn rustls_error(error: &io::Error) -> Option<&Rustls> {
    error.get_ref()?.downcast_ref()
}

/// Whether the server sends this alert because of the client's certificate. No other message of the client can cause it.
fn is_about_client(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

/// Whether the server refuses the client certificate that it was shown. It calls it a failed decryption if the
/// signature is by another key of the authority's name. Without a client certificate, that alert has other causes.
fn refuses_client(alert: AlertDescription, has_client: bool) -> bool {
    is_about_client(alert) || (has_client && alert == AlertDescription::DecryptError)
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls(mode) => {
                let mode: &str = mode.into();
                write!(
                    f,
                    "the server does not use TLS, which sslmode={mode} asks for; set ssl=on on the server, or \
                    sslmode=prefer or disable in a private network"
                )
            }
            Self::NoAnswer(byte) => write!(
                f,
                "the server answered the question for TLS with {:?} instead of yes or no; it is not PostgreSQL, or \
                could not start a process",
                char::from(*byte)
            ),
            Self::Ended { error, is_direct } => {
                write!(f, "the server ended the TLS handshake: {error}")?;
                match is_direct {
                    true => f.write_str(
                        "; sslnegotiation=direct needs PostgreSQL 17 or newer, so leave it out for older ones",
                    ),
                    false => Ok(()),
                }
            }
            Self::OtherProtocol => f.write_str(
                "the server did not agree to speak PostgreSQL's protocol by TLS (ALPN), which \
                sslnegotiation=direct asks for; leave it out, or connect to PostgreSQL 17 or newer",
            ),
            Self::Name(name) => write!(
                f,
                "{name:?} is no name that a certificate can contain; connect by a DNS name or an IP address, or use \
                sslmode=verify-ca"
            ),
            Self::Rustls {
                error,
                roots,
                has_client,
            } => match error {
                Rustls::InvalidCertificate(why) => certificate(f, why, roots.as_ref()),
                Rustls::AlertReceived(alert) if refuses_client(*alert, *has_client) => {
                    match has_client {
                        true => write!(
                            f,
                            "the server refuses the client certificate (TLS alert {alert:?}); sslcert must be valid \
                        and signed by an authority in the server's ssl_ca_file"
                        ),
                        false => write!(
                            f,
                            "the server asks for a client certificate (TLS alert {alert:?}); set sslcert and sslkey"
                        ),
                    }
                }
                other => write!(f, "the TLS handshake failed: {other}"),
            },
        }
    }
}

/// What is wrong with the server's certificate.
fn certificate(
    f: &mut fmt::Formatter<'_>,
    why: &CertificateError,
    roots: Option<&Roots>,
) -> fmt::Result {
    match why {
        CertificateError::UnknownIssuer => {
            f.write_str("the server's certificate is signed by no authority ")?;
            match roots {
                Some(Roots::File(path)) => write!(
                    f,
                    "in sslrootcert={}; add the certificate of the one that signed it",
                    path.display()
                ),
                _ => f.write_str(
                    "that this system trusts; name the file of the one that signed it by sslrootcert",
                ),
            }
        }
        CertificateError::Expired => expired(f),
        CertificateError::ExpiredContext { .. } => expired(f),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => f.write_str(
            "the server's certificate is not valid yet; compare the clocks of this machine and of the one that \
            made it",
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected: &ServerName<'_> = expected;
            write!(f, "the server's certificate is not for {:?}, ", expected.to_str())?;
            match presented.is_empty() {
                true => f.write_str("and names no host in subjectAltName")?,
                false => {
                    let names: Vec<&str> = presented.iter().map(|name| plain_name(name)).collect();
                    write!(f, "but for {}", names.join(", "))?;
                }
            }
            f.write_str(
                "; connect by a name that is in it, or use sslmode=verify-ca, which does not check the name",
            )
        }
        other => write!(f, "the server's certificate is not valid: {other}"),
    }
}

fn expired(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("the server's certificate has expired; renew it on the server")
}

impl StdError for TlsFailure {}
