//! TLS with the service: the files of the command, and what to do when a handshake fails.

use std::{
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
};

use rustls::{
    AlertDescription, CertificateError, Error as Rustls,
    pki_types::{CertificateDer, pem::PemObject},
};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::{
    cli::terminal::failed,
    config::Service,
    error::{Error, Result},
    pem_file::{self, plain_name},
};

/// Whom the command trusts, and what it shows of itself.
pub(super) struct Trust {
    ca_file: Option<PathBuf>,
    /// The files of the client's certificate and of its key.
    client: Option<(PathBuf, PathBuf)>,
}

impl Trust {
    pub(super) fn of(service: &Service) -> Self {
        Self {
            ca_file: service.ca_file.clone(),
            client: service.client_cert.clone().zip(service.client_key.clone()),
        }
    }

    /// Sets up TLS with the authorities of `--ca-file`, else those of the system, and the client's certificate.
    pub(super) fn apply(&self, endpoint: Endpoint) -> Result<Endpoint> {
        let (tls, source) = match &self.ca_file {
            Some(file) => {
                let pem = read(file)?;
                // tonic would take a file without a certificate, and then trust nobody.
                if CertificateDer::pem_slice_iter(&pem)
                    .next()
                    .is_none_or(|c| c.is_err())
                {
                    return Err(unusable(
                        &file.display().to_string(),
                        "it contains no certificate in PEM form",
                    ));
                }
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
                (tls, file.display().to_string())
            }
            None => {
                let tls = ClientTlsConfig::new().with_native_roots();
                (tls, "the list of the system's authorities".to_owned())
            }
        };
        // Without the client's certificate first, so that an error names the right file.
        let plain = endpoint.clone().tls_config(tls.clone());
        let plain = plain.map_err(|error| unusable(&source, innermost(&error)))?;
        let Some((cert, key)) = &self.client else {
            return Ok(plain);
        };
        let tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        endpoint.tls_config(tls).map_err(|error| {
            let files = format!(
                "--client-cert {} with --client-key {}",
                cert.display(),
                key.display()
            );
            match of_rustls(&error) {
                Some(Rustls::InconsistentKeys(_)) => {
                    unusable(&files, "the key is not that of the certificate")
                }
                _ => unusable(&files, innermost(&error)),
            }
        })
    }

    /// Why no connection could be made, if TLS is the reason, and what to do about it.
    pub(super) fn explain(&self, error: &(dyn StdError + 'static)) -> Option<String> {
        Some(match of_rustls(error)? {
            Rustls::InvalidMessage(_) => {
                "it does not speak TLS there; use http:// in --url".to_owned()
            }
            Rustls::InvalidCertificate(why) => self.certificate(why),
            Rustls::AlertReceived(alert) => self.alert(*alert),
            other => format!("the TLS handshake failed: {other}"),
        })
    }

    fn certificate(&self, why: &CertificateError) -> String {
        match why {
            CertificateError::UnknownIssuer => match &self.ca_file {
                Some(file) => format!(
                    "its certificate is signed by no authority in {}; name the file of the one that signed it by --ca-file",
                    file.display()
                ),
                None => "its certificate is signed by no authority that this system trusts; name the file of the one that \
                    signed it by --ca-file"
                    .to_owned(),
            },
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired; renew it on the server".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; compare the clocks of this machine and of the one that made it"
                    .to_owned()
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = match presented.is_empty() {
                    true => "names no host".to_owned(),
                    false => {
                        let names: Vec<&str> = presented.iter().map(|name| plain_name(name)).collect();
                        format!("is for {}", names.join(", "))
                    }
                };
                format!("its certificate {names}; use a name that is in it in --url")
            }
            other => format!("its certificate is not valid: {other}"),
        }
    }

    fn alert(&self, alert: AlertDescription) -> String {
        match alert {
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => match &self.client {
                Some((cert, _)) => format!(
                    "it refuses the certificate of --client-cert {} (TLS alert {alert:?})",
                    cert.display()
                ),
                None => "it asks for a certificate: set --client-cert and --client-key".to_owned(),
            },
            other => format!("it ended the TLS handshake (alert {other:?})"),
        }
    }

    /// A hint for a connection that ended before the first answer. With TLS 1.3 the service checks the client's certificate
    /// after the client's part of the handshake, and the library loses the reason.
    pub(super) fn hint(&self) -> String {
        match &self.client {
            Some((cert, _)) => format!(
                "the connection was closed before an answer came: the service may not accept the certificate of \
                 --client-cert {}",
                cert.display()
            ),
            None => "the connection was closed before an answer came: the service may require a certificate; set \
                --client-cert and --client-key"
                .to_owned(),
        }
    }
}

fn unusable(files: &str, why: impl std::fmt::Display) -> Error {
    failed(format!("{files} cannot be used"), why)
}

/// The innermost cause; the library's own text says only that something failed.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn read(file: &Path) -> Result<Vec<u8>> {
    pem_file::read(file).map_err(|e| failed(format!("{} cannot be read", file.display()), e))
}

/// rustls's error among the sources of an error. An `io::Error` passes over the error that it wraps.
pub(super) fn of_rustls<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Rustls> {
    let mut next = Some(error);
    while let Some(error) = next {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let found = match wrapped {
            Some(wrapped) => wrapped.downcast_ref(),
            None => error.downcast_ref(),
        };
        if found.is_some() {
            return found;
        }
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
