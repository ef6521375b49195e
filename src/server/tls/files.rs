//! Reads the certificate, the key and the authorities of clients from files in PEM form.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use sha2::{Digest, Sha256};

use super::certificate::{self, Facts};
use crate::{
    error::{Error, ErrorKind, Result},
    pem_file,
};

/// The protocols that a client may select in the handshake (ALPN, RFC 7301), the preferred one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Whether clients present a certificate of their own. A certificate that they present must be valid in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// A client may present one.
    Request,
    /// A client without one is refused.
    Require,
}

/// The files of [`Tls`](super::Tls), all in PEM form.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate of the service, followed by its intermediate certificates.
    pub cert: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
    /// The authorities of the clients' certificates; with `None` no certificate is requested.
    pub client_ca: Option<(PathBuf, ClientAuth)>,
}

/// What the files contain.
pub(super) struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What handshakes use.
#[derive(Clone)]
pub(super) struct Loaded {
    /// For the callers' port.
    pub(super) callers: Arc<ServerConfig>,
    /// For the operator's port, without certificates of clients: probes and Prometheus rarely have one.
    pub(super) admin: Arc<ServerConfig>,
    /// The facts of the service's certificate.
    pub(super) facts: Facts,
}

impl TlsFiles {
    /// Reads the files. FAILED_PRECONDITION names the file that cannot be read.
    pub(super) fn read(&self) -> Result<Contents> {
        let client_ca = self.client_ca.as_ref();
        Ok(Contents {
            cert: read(&self.cert)?,
            key: read(&self.key)?,
            client_ca: client_ca.map(|(path, _)| read(path)).transpose()?,
        })
    }

    /// FAILED_PRECONDITION if the certificate of these facts is not valid at `now`.
    pub(super) fn check_validity(&self, facts: &Facts, now: SystemTime) -> Result<()> {
        facts
            .check_validity(now)
            .map_err(|why| unusable(&self.cert, &why))
    }

    /// Builds the TLS settings. FAILED_PRECONDITION says what is wrong with which file.
    pub(super) fn load(&self, contents: &Contents) -> Result<Loaded> {
        let chain = certificates(&self.cert, &contents.cert)?;
        let facts = chain.first().map(certificate::facts);
        let facts = facts.unwrap_or_else(|| Err("it is empty".to_owned()));
        let facts = facts.map_err(|e| unusable(&self.cert, &e))?;
        // The parser's error is left out because it may contain a part of the key.
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| {
            let what = "it contains no private key in PEM form that is not encrypted";
            unusable(&self.key, what)
        })?;
        let provider = Arc::new(ring::default_provider());
        let mut verifier = WebPkiClientVerifier::no_client_auth();
        if let (Some((path, auth)), Some(pem)) = (&self.client_ca, &contents.client_ca) {
            verifier = self::verifier(path, pem, *auth, &provider)?;
        }
        let build = |verifier, key, resumes: bool| {
            let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&[&TLS13, &TLS12])
                .map_err(Error::internal)?
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain.clone(), key);
            let mut config = config.map_err(|e| match e {
                rustls::Error::InconsistentKeys(_) => {
                    let cert = self.cert.display();
                    unusable(&self.key, &format!("it is not the key of {cert}"))
                }
                other => unusable(&self.cert, &other.to_string()),
            })?;
            config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
            // rustls does not verify the client's certificate again when a session resumes, so an expired one would be
            // accepted for ever. Clients with certificates keep their connections, and full handshakes are rare.
            if !resumes {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            Ok::<_, Error>(Arc::new(config))
        };
        Ok(Loaded {
            callers: build(verifier, key.clone_key(), self.client_ca.is_none())?,
            admin: build(WebPkiClientVerifier::no_client_auth(), key, true)?,
            facts,
        })
    }
}

impl Contents {
    /// A hash that differs if any of the files differs.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let empty = Vec::new();
        for part in [
            &self.cert,
            &self.key,
            self.client_ca.as_ref().unwrap_or(&empty),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    pem_file::read(path).map_err(|e| unusable(path, &e.to_string()))
}

/// The certificates of a file; at least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(unusable(path, "it contains no certificate in PEM form")),
        Err(e) => Err(unusable(path, &e.to_string())),
    }
}

fn verifier(
    path: &Path,
    pem: &[u8],
    auth: ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots
            .add(certificate)
            .map_err(|e| unusable(path, &e.to_string()))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match auth {
        ClientAuth::Request => builder.allow_unauthenticated(),
        ClientAuth::Require => builder,
    };
    builder.build().map_err(|e| unusable(path, &e.to_string()))
}

fn unusable(path: &Path, why: &str) -> Error {
    let path = path.display();
    Error::new(
        ErrorKind::FailedPrecondition,
        format!("{path} cannot be used for TLS: {why}"),
    )
}
