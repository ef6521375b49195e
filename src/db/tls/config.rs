//! The configuration of rustls for the URL's parameters, kept in step with their files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::time::timeout;

use super::{Mode, Roots, TlsParameters, verify::Verifier};
use crate::{
    db::address::Address,
    error::{Error, ErrorKind, Result},
    pem_file, secret_file,
};

/// How long a new connection waits for the files. A file system that does not answer, as a network mount, must not take
/// all of the time for a connection, which is 2 s by default.
const READ_LIMIT: Duration = Duration::from_millis(500);

/// The name of PostgreSQL's protocol in a TLS handshake (ALPN), which PostgreSQL 17 knows.
pub(super) const ALPN: &[u8] = b"postgresql";

/// Whether and how connections are encrypted.
#[derive(Debug)]
pub(in crate::db) enum Encryption {
    /// Never.
    Off,
    /// As the parameters say.
    On(Box<Tls>),
}

/// What a handshake needs.
#[derive(Debug)]
pub(in crate::db) struct Tls {
    pub(super) parameters: TlsParameters,
    config: Arc<Mutex<Arc<ClientConfig>>>,
    /// The state of the files at the last attempt to read them. Locked while a thread reads them, so that of many new
    /// connections only one occupies a thread.
    files: Arc<tokio::sync::Mutex<Vec<FileState>>>,
    /// Whether the last connection gave up waiting for the files, which is logged once.
    is_late: AtomicBool,
}

/// The path, modification time and length of a file; without the latter two if it cannot be read.
type FileState = (PathBuf, Option<(SystemTime, u64)>);

impl Encryption {
    /// Reads the files of the parameters. BAD_USAGE if one cannot be used.
    pub(in crate::db) fn new(parameters: TlsParameters) -> Result<Self> {
        if parameters.mode == Mode::Disable {
            return Ok(Self::Off);
        }
        // Before the files are read, so that a change in between is noticed.
        let files = states(&parameters);
        let config = Arc::new(client_config(&parameters)?);
        Ok(Self::On(Box::new(Tls {
            parameters,
            config: Arc::new(Mutex::new(config)),
            files: Arc::new(tokio::sync::Mutex::new(files)),
            is_late: AtomicBool::new(false),
        })))
    }
}

impl Encryption {
    /// TLS for an address. As in libpq, never for a Unix-domain socket.
    pub(in crate::db) fn for_address(&self, address: &Address) -> Option<&Tls> {
        match (self, address) {
            (Self::On(tls), Address::Tcp(..)) => Some(tls),
            _ => None,
        }
    }
}

impl Tls {
    /// The configuration of the next handshake. Files that changed are read again; if they cannot be used, or not within
    /// the limit, the configuration stays as it is.
    pub(super) async fn client_config(&self) -> Arc<ClientConfig> {
        let is_late = timeout(READ_LIMIT, self.refresh()).await.is_err();
        let was_late = self.is_late.swap(is_late, Relaxed);
        if is_late && !was_late {
            tracing::warn!(
                "the certificate files for PostgreSQL cannot be read within {READ_LIMIT:?}; the connections go on with \
                 the old ones"
            );
        }
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }

    /// Reads files that changed, on a thread that may block.
    async fn refresh(&self) {
        let mut files = Arc::clone(&self.files).lock_owned().await;
        if files.is_empty() {
            return;
        }
        let (parameters, config) = (self.parameters.clone(), Arc::clone(&self.config));
        let read = tokio::task::spawn_blocking(move || {
            let states = states(&parameters);
            if states != *files {
                match client_config(&parameters) {
                    Ok(new) => {
                        *config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                    }
                    Err(error) => tracing::warn!(
                        %error,
                        "a changed certificate file for PostgreSQL cannot be used; the connections go on with the old \
                         one"
                    ),
                }
                *files = states;
            }
        });
        if let Err(error) = read.await {
            tracing::error!(%error, "the check for a renewed certificate for PostgreSQL failed");
        }
    }
}

/// The state of all files that the parameters name.
fn states(parameters: &TlsParameters) -> Vec<FileState> {
    let roots = match &parameters.roots {
        Some(Roots::File(path)) => Some(path),
        Some(Roots::System) | None => None,
    };
    let client = parameters.client.iter().flat_map(|(cert, key)| [cert, key]);
    let state = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    roots
        .into_iter()
        .chain(client)
        .map(|path| (path.clone(), state(path)))
        .collect()
}

fn client_config(parameters: &TlsParameters) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(parameters, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &parameters.client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = certificates("sslcert", cert)?;
            let wanted = "an unencrypted private key in PEM form";
            check_private(key)?;
            let pem =
                pem_file::read(key).map_err(|error| unusable("sslkey", key, wanted, error))?;
            let private = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|error| unusable("sslkey", key, wanted, error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| {
                bad_usage(format!(
                    "--database-url has sslcert={} and sslkey={}, which do not belong together or are of an \
                    unknown kind: {error}",
                    cert.display(),
                    key.display()
                ))
            })?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every handshake checks the certificate anew. PostgreSQL resumes no session in any case.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn verifier(parameters: &TlsParameters, provider: &CryptoProvider) -> Result<Verifier> {
    let checks_name = parameters.mode == Mode::VerifyFull;
    let trusted = match &parameters.roots {
        None => return Ok(Verifier::new(None, checks_name, provider)),
        Some(Roots::System) => system_roots()?,
        Some(Roots::File(path)) => certificates("sslrootcert", path)?,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(trusted.iter().cloned());
    if added == 0 {
        let place = match &parameters.roots {
            Some(Roots::File(path)) => format!("sslrootcert={}", path.display()),
            _ => "the system's list of authorities".to_owned(),
        };
        return Err(bad_usage(format!(
            "--database-url: {place} holds no certificate that can be an authority"
        )));
    }
    Ok(Verifier::new(Some((store, trusted)), checks_name, provider))
}

/// The authorities that the system trusts.
fn system_roots() -> Result<Vec<CertificateDer<'static>>> {
    let loaded = rustls_native_certs::load_native_certs();
    // A single bad file among many must not take the others away.
    if loaded.certs.is_empty() {
        let why = loaded.errors.first().map(|error| format!(": {error}"));
        return Err(bad_usage(format!(
            "--database-url asks for the system's authorities, and this system has none{}; install the package \
            ca-certificates, or name a PEM file by SSL_CERT_FILE or sslrootcert",
            why.unwrap_or_default()
        )));
    }
    Ok(loaded.certs)
}

/// The certificates of a PEM file, at least one.
fn certificates(parameter: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let wanted = "certificates in PEM form";
    let pem = pem_file::read(path).map_err(|error| unusable(parameter, path, wanted, error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let read = read.map_err(|error| unusable(parameter, path, wanted, error))?;
    match read.is_empty() {
        true => Err(unusable(parameter, path, wanted, "it has none")),
        false => Ok(read),
    }
}

/// BAD_USAGE if others may read the key.
fn check_private(key: &Path) -> Result<()> {
    match secret_file::exposed(key) {
        None => Ok(()),
        Some(why) => Err(bad_usage(format!(
            "--database-url has sslkey={}, {why}",
            key.display()
        ))),
    }
}

fn unusable(parameter: &str, path: &Path, wanted: &str, why: impl std::fmt::Display) -> Error {
    bad_usage(format!(
        "--database-url has {parameter}={}, which must be a file with {wanted}: {why}",
        path.display()
    ))
}

fn bad_usage(why: String) -> Error {
    Error::new(ErrorKind::BadUsage, why)
}
