//! Handshakes with the certificate in use, and its renewal.

use std::{
    fmt, io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::{
    net::TcpStream,
    signal::unix::Signal,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    certificate,
    files::{Contents, Loaded, TlsFiles},
    plain,
};
use crate::{
    error::Result,
    telemetry::{Metrics, RareLog},
};

/// How often the files are compared with the ones in use.
const RELOAD_STEP: Duration = Duration::from_secs(15);
/// Reading them takes longer than this only if their file system does not answer.
const RELOAD_LIMIT: Duration = Duration::from_secs(10);
/// The maximum number of encrypted bytes that wait for the client in rustls, in addition to the socket's buffer. rustls
/// allows 64 KiB by default; 16 KiB, one record, is enough to keep the socket busy.
const BUFFER: usize = 16 * 1024;

/// TLS with certificates from files.
pub struct Tls {
    files: TlsFiles,
    handshake_timeout: Duration,
    metrics: Arc<Metrics>,
    loaded: RwLock<Loaded>,
    /// The outcome of the last attempt to load: the hash of the files, or the error. It is logged only when it differs.
    tried: Mutex<Result<[u8; 32], String>>,
    failures: RareLog,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// The port that a handshake is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// May ask for certificates of clients.
    Callers,
    /// Never asks for them.
    Admin,
}

impl Tls {
    /// Reads the files. FAILED_PRECONDITION says which file is unusable and why. A handshake may take
    /// `handshake_timeout`.
    pub fn load(
        files: TlsFiles,
        handshake_timeout: Duration,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let contents = files.read()?;
        let loaded = files.load(&contents)?;
        let tls = Self {
            handshake_timeout,
            metrics,
            loaded: RwLock::new(loaded),
            tried: Mutex::new(Ok(contents.hash())),
            failures: RareLog::default(),
            files,
        };
        tls.report();
        Ok(tls)
    }

    /// Loads renewed files when they change, and at each `hangup` signal. Never returns. Connections keep the
    /// certificate of their handshake. If the files are unusable, or the certificate is not valid at that time, the
    /// error is logged, and the last usable certificate stays in use.
    pub async fn run_reload(self: Arc<Self>, mut hangup: Signal) {
        loop {
            let is_asked = tokio::select! {
                asked = hangup.recv() => asked.is_some(),
                () = tokio::time::sleep(RELOAD_STEP) => false,
            };
            let tls = Arc::clone(&self);
            // Files may be on a slow file system.
            let mut reload = tokio::task::spawn_blocking(move || tls.reload(is_asked));
            let reloaded = match timeout(RELOAD_LIMIT, &mut reload).await {
                Ok(reloaded) => reloaded,
                // The thread cannot be interrupted. A second one would hang too, so this one is waited for.
                Err(_) => {
                    tracing::error!(
                        "the certificate files cannot be read within {RELOAD_LIMIT:?}, and the previous certificate \
                         stays in use until their file system answers"
                    );
                    reload.await
                }
            };
            if let Err(error) = reloaded {
                tracing::error!(%error, "the check for a renewed certificate failed");
            }
        }
    }

    /// Loads the files if they have changed. `is_asked`: logs the outcome even if they have not.
    fn reload(&self, is_asked: bool) {
        let loaded = self.files.read().and_then(|contents| {
            let hash = contents.hash();
            let is_new = self.is_new(&Ok(hash));
            let loaded = (is_new || is_asked).then(|| self.load_renewed(&contents));
            loaded.transpose().map(|loaded| (hash, loaded))
        });
        match loaded {
            Ok((_, None)) => {}
            Ok((hash, Some(loaded))) => {
                *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                self.note_tried(Ok(hash));
                self.report();
            }
            Err(error) => {
                let tried = Err(error.to_string());
                if self.is_new(&tried) || is_asked {
                    tracing::error!(
                        "the renewed certificate is not used, and the previous one stays in use: {error}"
                    );
                }
                self.note_tried(tried);
            }
        }
    }

    /// Loads renewed files. A certificate that has expired, or is not valid yet, is an error while the one in use is valid:
    /// clients would refuse it. The error is not of the files' hash, so the next comparison checks the times again.
    fn load_renewed(&self, contents: &Contents) -> Result<Loaded> {
        let renewed = self.files.load(contents)?;
        let now = SystemTime::now();
        if self.loaded().facts.check_validity(now).is_ok() {
            self.files.check_validity(&renewed.facts, now)?;
        }
        Ok(renewed)
    }

    fn is_new(&self, tried: &Result<[u8; 32], String>) -> bool {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) != *tried
    }

    fn note_tried(&self, tried: Result<[u8; 32], String>) {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = tried;
    }

    fn loaded(&self) -> Loaded {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    /// Logs the certificate in use, and sets its metric.
    fn report(&self) {
        let facts = self.loaded().facts;
        let expires = facts.expires.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = expires.map_or(0, |since| since.as_secs());
        self.metrics.certificate_expiry().set(seconds as f64);
        let (subject, expires) = (&facts.subject, certificate::text(facts.expires));
        tracing::info!(subject, expires, "TLS certificate loaded");
        let now = SystemTime::now();
        if facts.expires < now {
            tracing::warn!("the TLS certificate has expired, and clients will refuse it");
        } else if facts.begins > now {
            let begins = certificate::text(facts.begins);
            tracing::warn!(begins, "the TLS certificate is not valid yet");
        }
    }

    /// How long a handshake may take.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// Does the handshake of a connection until `deadline`. Answers clients that speak plain HTTP. Failures are counted,
    /// and logged with `peer` at most once a minute.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        port: Port,
        peer: IpAddr,
        deadline: Instant,
    ) -> io::Result<TlsStream<TcpStream>> {
        let handshake = self.handshake(stream, port);
        let done = match timeout_at(deadline, handshake).await {
            Ok(done) => done?,
            Err(_) => {
                let why = "the client did not finish it within --tls-handshake-timeout";
                Err(io::Error::new(io::ErrorKind::TimedOut, why))
            }
        };
        if let Err(error) = &done {
            self.failed(peer, error);
        }
        done
    }

    /// The outer error is of a client that closed the connection before its first byte, as the probes of load balancers
    /// do: nothing failed.
    async fn handshake(
        &self,
        stream: TcpStream,
        port: Port,
    ) -> io::Result<io::Result<TlsStream<TcpStream>>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !plain::is_tls(&first) {
            // The client gets the answer or not; the error is the same.
            let _ = plain::refuse(stream).await;
            return Ok(Err(io::Error::other(
                "the client spoke plain text; it must use https://",
            )));
        }
        let acceptor = TlsAcceptor::from(self.config(port));
        let accept = acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(BUFFER)));
        Ok(accept.await)
    }

    fn config(&self, port: Port) -> Arc<ServerConfig> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(match port {
            Port::Callers => &loaded.callers,
            Port::Admin => &loaded.admin,
        })
    }

    fn failed(&self, peer: IpAddr, error: &io::Error) {
        self.metrics.failed_handshakes().inc();
        if self.failures.is_due() {
            tracing::warn!(
                %peer,
                "a TLS handshake failed: {error}; the metric tls_handshakes_failed counts them, and the log repeats this \
                 at most once a minute"
            );
        }
    }
}

/// The subject of the client's certificate, if it presented one.
pub(crate) fn subject(stream: &TlsStream<TcpStream>) -> Option<String> {
    let chain: &[CertificateDer<'_>] = stream.get_ref().1.peer_certificates()?;
    // rustls has verified the certificate, so it is well formed.
    certificate::facts(chain.first()?)
        .ok()
        .map(|facts| facts.subject)
}
