//! Authorities and certificates of the tests, and clients that speak TLS.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::SystemTime,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::Code;

use super::{
    PATIENCE, TempDir,
    database::Database,
    eventually, keys,
    process::Process,
    terminal,
    wire::{Caller, Wire},
};

/// An authority of one test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate in PEM form.
    pub pem: String,
}

/// A certificate and its key in PEM form.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A certificate of a service on loopback.
    pub fn server(&self, name: &str) -> Pair {
        self.sign(named(name, &["localhost", "127.0.0.1"]))
    }

    /// A certificate of a service on another host.
    pub fn elsewhere(&self, host: &str) -> Pair {
        self.sign(named("elsewhere", &[host]))
    }

    /// A certificate of a service on loopback that expired long ago.
    pub fn expired(&self, name: &str) -> Pair {
        let mut params = named(name, &["localhost", "127.0.0.1"]);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// A certificate of a client.
    pub fn client(&self, name: &str) -> Pair {
        let mut params = named(name, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// The same, but it is valid in the far future only.
    pub fn future(&self, name: &str) -> Pair {
        let mut params = named(name, &["localhost", "127.0.0.1"]);
        params.not_before = date_time_ymd(4000, 1, 1);
        self.sign(params)
    }

    /// A certificate of a client that expires at `end`.
    pub fn client_until(&self, name: &str, end: SystemTime) -> Pair {
        let mut params = named(name, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = end.into();
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        Pair {
            cert: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A directory with the files of a service.
pub struct Files(TempDir);

impl Files {
    /// The certificate of a service and its authority.
    pub fn new(pair: &Pair, authority: &Authority) -> Self {
        let files = Self(TempDir::new());
        files.write("ca.pem", &authority.pem);
        files.renew(pair);
        files
    }

    /// Replaces certificate and key.
    pub fn renew(&self, pair: &Pair) {
        self.write("cert.pem", &pair.cert);
        self.write("key.pem", &pair.key);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Replaces a file by a FIFO, which nobody writes to.
    pub fn make_fifo(&self, name: &str) {
        make_fifo(&self.path(name));
    }

    /// The value of a flag with a file.
    pub fn flag(&self, flag: &str, name: &str) -> String {
        format!("{flag}={}", self.path(name).display())
    }

    /// The flags of `serve`.
    pub fn flags(&self) -> [String; 2] {
        [
            self.flag("--tls-cert", "cert.pem"),
            self.flag("--tls-key", "key.pem"),
        ]
    }
}

/// Replaces what is at this path by a FIFO.
pub fn make_fifo(path: &Path) {
    let _ = std::fs::remove_file(path);
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// What a client trusts and offers.
#[derive(Clone)]
pub struct Trust<'a> {
    pub authority: &'a Authority,
    pub identity: Option<&'a Pair>,
    pub alpn: &'a [&'a str],
    pub is_tls12: bool,
}

impl<'a> Trust<'a> {
    pub fn new(authority: &'a Authority) -> Self {
        Self {
            authority,
            identity: None,
            alpn: &[],
            is_tls12: false,
        }
    }

    fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).unwrap();
        roots.add(der).unwrap();
        let versions = if self.is_tls12 { &TLS12 } else { &TLS13 };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[versions])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A connection after its handshake.
    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.config(), address).await
    }

    /// The handshake on a connection that is open.
    pub async fn handshake(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::from(stream.peer_addr()?.ip());
        let connector = TlsConnector::from(self.config());
        connector.connect(name, stream).await
    }

    /// The address of a port that takes plain text and passes it on to `address` with TLS, for clients that have none.
    pub async fn tunnel(&self, address: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let config = self.config();
        tokio::spawn(async move {
            while let Ok((mut plain, _)) = listener.accept().await {
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(mut tls) = connect(config, address).await {
                        let _ = tokio::io::copy_bidirectional(&mut plain, &mut tls).await;
                    }
                });
            }
        });
        own
    }
}

async fn connect(
    config: Arc<ClientConfig>,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(address.ip());
    TlsConnector::from(config).connect(name, stream).await
}

/// A service with TLS, a key of its tenant `demo` with 50 tasks, and its authority.
pub struct Secure {
    pub process: Process,
    pub key: String,
    pub database: Database,
    pub files: Files,
    pub authority: Authority,
}

impl Secure {
    pub async fn start(flags: &[&str]) -> Self {
        Self::start_with(flags, |_, _| Vec::new()).await
    }

    /// With further flags, which may name files.
    pub async fn start_with(
        flags: &[&str],
        more: impl FnOnce(&Files, &Authority) -> Vec<String>,
    ) -> Self {
        let database = Database::demo().await;
        database.add_tasks("demo", 50).await;
        let key = keys::create(&database, "read", &[]).await;
        let authority = Authority::new("an authority");
        let files = Files::new(&authority.server("first"), &authority);
        let more = [files.flags().to_vec(), more(&files, &authority)].concat();
        let more = more.iter().map(String::as_str);
        let all: Vec<&str> = flags.iter().copied().chain(more).collect();
        let process = Process::serve(&database, &all).await;
        Self {
            process,
            key,
            database,
            files,
            authority,
        }
    }

    pub fn trust(&self) -> Trust<'_> {
        Trust::new(&self.authority)
    }

    /// A client command with the service's address.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = terminal::command(self.process.address, &self.key, arguments);
        let url = format!("https://{}", self.process.address);
        command.env("OUTBOUND_TASKS_URL", url);
        command
    }

    /// Whether a list is answered over gRPC on a new connection.
    pub async fn answers(&self, trust: &Trust<'_>) -> bool {
        let caller = Caller::new(trust.tunnel(self.process.address).await);
        let headers = [("x-api-key", &*self.key)];
        let answer = caller.try_list(Wire::Grpc, "", &headers).await;
        answer.is_ok_and(|answer| (answer.code, answer.total) == (Code::Ok, Some(50)))
    }

    /// Waits for a text in the log.
    pub async fn logs(&self, text: &str) {
        let logged = async || self.process.log().contains(text);
        eventually(text, PATIENCE, logged).await;
    }
}
