//! What the service reads of an X.509 certificate (RFC 5280) besides what rustls verifies.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// The facts of a certificate for the log and the metrics.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The subject as text (RFC 4514), or the first alternative name if the subject is empty.
    pub(super) subject: String,
    /// The first and the last instant of its validity.
    pub(super) begins: SystemTime,
    pub(super) expires: SystemTime,
}

impl Facts {
    /// Whether the certificate is valid at `now`; the error says from or until when it is.
    pub(super) fn check_validity(&self, now: SystemTime) -> Result<(), String> {
        if self.expires < now {
            Err(format!("it expired at {}", text(self.expires)))
        } else if self.begins > now {
            Err(format!("it is not valid before {}", text(self.begins)))
        } else {
            Ok(())
        }
    }
}

/// An instant as RFC 3339 writes it.
pub(super) fn text(time: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).to_rfc3339()
}

/// Reads a certificate; the error says what is malformed.
pub(super) fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, String> {
    let certificate = Certificate::from_der(certificate).map_err(|e| e.to_string())?;
    let inner = certificate.tbs_certificate();
    let mut subject = inner.subject().to_string();
    // Certificates for services often have alternative names only, as the ids of SPIFFE.
    if subject.is_empty() {
        let names = inner.get_extension::<SubjectAltName>();
        let names = names.map_err(|e| e.to_string())?;
        let first = names.and_then(|(_, names)| names.0.into_iter().find_map(name));
        subject = first.unwrap_or_default();
    }
    let time = |since_epoch: Duration| SystemTime::UNIX_EPOCH + since_epoch;
    Ok(Facts {
        subject,
        begins: time(inner.validity().not_before.to_unix_duration()),
        expires: time(inner.validity().not_after.to_unix_duration()),
    })
}

fn name(name: GeneralName) -> Option<String> {
    match name {
        GeneralName::UniformResourceIdentifier(name) => Some(format!("URI:{name}")),
        GeneralName::DnsName(name) => Some(format!("DNS:{name}")),
        GeneralName::Rfc822Name(name) => Some(format!("email:{name}")),
        _ => None,
    }
}
