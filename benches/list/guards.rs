//! What the guards of a service cost: quotas, traces, TLS for callers, and TLS to PostgreSQL.
//!
//! Services with one guard each run beside one without any, and all take turns. TLS to PostgreSQL is compared with TCP,
//! since the others use its Unix-domain socket.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, body::Bytes, routing::post};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::{
    Result,
    client::{self, Caller, JsonConnection},
    load,
    run::{Bench, DATABASE},
    service::Server,
    table::{Table, rate},
};

const CALLERS: usize = 32;
const ROUNDS: usize = 4;
const HOST: &str = "localhost";
/// The directory of the benchmark's own PostgreSQL.
const CLUSTER: &str = "throwaway";
const NO_CACHE: [&str; 2] = ["--list-cache", "0"];
/// Limits that no caller reaches.
const QUOTAS: [&str; 8] = [
    "--key-rate",
    "1000000/s",
    "--key-cost",
    "1000s/s",
    "--tenant-rate",
    "1000000/s",
    "--tenant-cost",
    "1000s/s",
];
/// One call in a hundred is recorded.
const TRACES: [&str; 6] = [
    "--otel-exporter-otlp-protocol",
    "http/protobuf",
    "--otel-traces-sampler",
    "traceidratio",
    "--otel-traces-sampler-arg",
    "0.01",
];

/// Starts a collector of traces that drops them. Returns its URL.
async fn collect() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let drop_all = Router::new().route("/v1/traces", post(async |_: Bytes| {}));
    tokio::spawn(async { axum::serve(listener, drop_all).await });
    Ok(url)
}

/// A service with a guard, and without the list cache a second one.
struct Guarded {
    name: &'static str,
    /// The name of the service that it is compared with.
    beside: &'static str,
    services: [Server; 2],
    is_tls: bool,
    /// The best of [`FIGURES`].
    best: [Best; 3],
}

/// The highest rate, and the lowest processor time of the service for a call, in microseconds. The time varies less than the
/// rate, since others take turns with the service and not of its time.
#[derive(Debug, Clone, Copy)]
struct Best {
    rate: f64,
    cpu: f64,
}

const FIGURES: [&str; 3] = ["gRPC", "JSON", "gRPC, no cache"];

impl Bench<'_> {
    /// The table rows about guards.
    pub(crate) async fn guards(&self, dir: &Path, table: &mut Table) -> Result<()> {
        let pair = Files::new(dir)?;
        let tls = [
            "--tls-cert",
            pair.cert.to_str().ok_or("the path is no text")?,
            "--tls-key",
            pair.key.to_str().ok_or("the path is no text")?,
        ];
        let collector = collect().await?;
        let traces = [&["--otel-exporter-otlp-endpoint", &collector], &TRACES[..]].concat();
        let mut all = vec![
            Guarded::start("none", "", &self.url, dir, &[]).await?,
            Guarded::start("quotas", "none", &self.url, dir, &QUOTAS).await?,
            Guarded::start("traces of 1 % of calls", "none", &self.url, dir, &traces).await?,
            Guarded::start("TLS for callers", "none", &self.url, dir, &tls).await?,
        ];
        if let Some(url) = self.offer_tls(&dir.join(CLUSTER), &pair).await? {
            for (name, beside, mode) in [
                ("TCP to PostgreSQL", "none", "disable"),
                ("TLS to PostgreSQL", "TCP to PostgreSQL", "require"),
            ] {
                let url = format!("{url}&sslmode={mode}");
                all.push(Guarded::start(name, beside, &url, dir, &[]).await?);
            }
        }
        for round in 0..ROUNDS {
            eprintln!("guards, round {}", round + 1);
            for service in &mut all {
                service.measure(self, &pair).await?;
            }
        }
        for service in &all {
            let Some(beside) = all.iter().find(|other| other.name == service.beside) else {
                continue;
            };
            for (figure, (with, without)) in
                FIGURES.iter().zip(service.best.iter().zip(&beside.best))
            {
                let beside = service.beside_text();
                table.row(
                    &format!("{}: {figure}, {CALLERS} callers", service.name),
                    rate(with.rate),
                    Some((
                        format!("{beside} {}", rate(without.rate)),
                        with.rate / without.rate,
                    )),
                );
                table.row(
                    &format!(
                        "{}: {figure}, processor time of the service a call",
                        service.name
                    ),
                    format!("{:.1} µs", with.cpu),
                    Some((
                        format!("{beside} {:.1} µs", without.cpu),
                        with.cpu / without.cpu,
                    )),
                );
            }
        }
        Ok(())
    }

    /// Lets PostgreSQL offer TLS. Returns its URL over TCP; `None` if it does not listen there.
    async fn offer_tls(&self, cluster: &Path, pair: &Files) -> Result<Option<String>> {
        let Ok(owner) = fs::metadata(cluster) else {
            eprintln!("TLS to PostgreSQL is measured on the benchmark's own server alone");
            return Ok(None);
        };
        let sql = "SELECT current_setting('port'), current_user::text";
        let row = self.sql.query_one(sql, &[]).await?;
        let [port, user] = [0, 1].map(|at| row.get::<_, String>(at));
        // PostgreSQL demands that the key is its own.
        for (from, name) in [(&pair.cert, "bench.crt"), (&pair.key, "bench.key")] {
            let to = cluster.join(name);
            fs::copy(from, &to)?;
            fs::set_permissions(&to, PermissionsExt::from_mode(0o600))?;
            chown(&to, Some(owner.uid()), Some(owner.gid()))?;
        }
        for setting in [
            "ssl_cert_file = 'bench.crt'",
            "ssl_key_file = 'bench.key'",
            "ssl = on",
        ] {
            self.sql
                .batch_execute(&format!("ALTER SYSTEM SET {setting}"))
                .await?;
        }
        self.sql.batch_execute("SELECT pg_reload_conf()").await?;
        Ok(Some(format!(
            "postgresql://{user}@127.0.0.1:{port}/{DATABASE}?application_name=bench"
        )))
    }
}

impl Guarded {
    async fn start(
        name: &'static str,
        beside: &'static str,
        url: &str,
        dir: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let without_cache = [arguments, &NO_CACHE].concat();
        Ok(Self {
            name,
            beside,
            services: [
                Server::start(url, dir, arguments).await?,
                Server::start(url, dir, &without_cache).await?,
            ],
            is_tls: arguments.contains(&"--tls-cert"),
            best: [Best {
                rate: 0.0,
                cpu: f64::INFINITY,
            }; 3],
        })
    }

    fn beside_text(&self) -> &'static str {
        match self.beside {
            "none" => "without",
            other => other,
        }
    }

    async fn measure(&mut self, bench: &Bench<'_>, pair: &Files) -> Result<()> {
        let [cached, uncached] = &self.services;
        let is_tls = self.is_tls;
        let grpc = async |server: &Server| {
            let connect = async || match is_tls {
                true => pair.connect(&server.address).await,
                false => client::connect(&server.address).await,
            };
            Caller::grpc_by(connect, CALLERS, &bench.grpc).await
        };
        let open = async || {
            let stream = TcpStream::connect(&cached.address).await?;
            stream.set_nodelay(true)?;
            match is_tls {
                true => pair.open(stream).await,
                false => client::speak(stream).await,
            }
        };
        let work = [
            (cached, grpc(cached).await?),
            (cached, Caller::json_by(open, CALLERS, &bench.json).await?),
            (uncached, grpc(uncached).await?),
        ];
        for ((service, callers), best) in work.into_iter().zip(&mut self.best) {
            let before = service.cpu();
            let seen = load::closed(callers, bench.settings.phase).await?;
            let cpu = (service.cpu() - before) * 1e6 / seen.answers.max(1) as f64;
            best.rate = best.rate.max(seen.rate);
            best.cpu = best.cpu.min(cpu);
        }
        Ok(())
    }
}

/// A certificate that signed itself, and its key.
struct Files {
    cert: PathBuf,
    key: PathBuf,
    config: Arc<ClientConfig>,
}

impl Files {
    fn new(dir: &Path) -> Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec![HOST.to_owned(), "127.0.0.1".to_owned()])?;
        let files = [dir.join("bench-cert.pem"), dir.join("bench-key.pem")];
        fs::write(&files[0], cert.pem())?;
        fs::write(&files[1], signing_key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(cert.pem().as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let [cert, key] = files;
        Ok(Self {
            cert,
            key,
            config: Arc::new(config),
        })
    }

    async fn connect(&self, address: &str) -> Result<Channel> {
        let authority = Certificate::from_pem(fs::read(&self.cert)?);
        let tls = ClientTlsConfig::new().ca_certificate(authority);
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
        Ok(endpoint.tls_config(tls)?.connect().await?)
    }

    async fn open(&self, stream: TcpStream) -> Result<JsonConnection> {
        let name = ServerName::try_from(HOST)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        client::speak(connector.connect(name, stream).await?).await
    }
}
