//! A PostgreSQL that takes connections over TCP with TLS, and the certificates of a private authority.

use std::{
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use outbound_tasks::embedded::{Durability, Embedded};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    PKCS_ED25519, SignatureAlgorithm, date_time_ymd,
};

use super::{PATIENCE, TempDir, database::Database, eventually};

/// The name in the server's certificate. It needs no name server, because URLs give the address beside it.
pub const NAME: &str = "db.test";

/// A certificate and its key in PEM form.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A private authority.
pub struct Authority {
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        Self::of_name("a private authority")
    }

    /// An authority with a key of its own. Two of one name are as an authority that was made anew.
    pub fn of_name(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named(name);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for a host, changed by `change` before it is signed.
    pub fn sign(&self, name: &str, change: impl Fn(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = named(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub fn server(&self) -> Pair {
        self.sign(NAME, |_| {})
    }
}

/// A certificate that is its own authority, as `openssl req -x509` makes them.
pub fn self_signed(
    kind: &'static SignatureAlgorithm,
    change: impl Fn(&mut CertificateParams),
) -> Pair {
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = named(NAME);
    change(&mut params);
    let key = KeyPair::generate_for(kind).unwrap();
    Pair {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: match *kind == PKCS_ED25519 {
            true => ed25519_for_openssl(&key),
            false => key.serialize_pem(),
        },
    }
}

/// The key without its public half, because OpenSSL 3.0 does not read keys that have both (RFC 8410, section 7).
fn ed25519_for_openssl(key: &KeyPair) -> String {
    const PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let der = key.serialize_der();
    // Both forms have the private half behind a prefix of this length.
    let private = &der[PREFIX.len()..][..32];
    let text = STANDARD.encode([&PREFIX, private].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// The time of a certificate that has passed.
pub fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

pub struct TlsPostgres {
    /// By its Unix-domain socket, with the schema `public`.
    pub database: Database,
    pub authority: Authority,
    pub port: u16,
    dir: TempDir,
    _postgres: Embedded,
}

impl TlsPostgres {
    /// Starts one without TLS.
    pub async fn start() -> Self {
        let dir = TempDir::new();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "max_connections=40".to_owned(),
            "shared_buffers=16MB".to_owned(),
        ];
        let place = dir.0.join("data");
        let postgres = Embedded::start_with(&place, Durability::Throwaway, &settings)
            .await
            .unwrap();
        let url = postgres.url("postgres");
        let url = url.replace("port=5432", &format!("port={port}"));
        let database = Database {
            url: url + "&application_name=tls",
            application: "tls".to_owned(),
            role: None,
        };
        database.succeed(&["migrate"], b"").await;
        Self {
            database,
            authority: Authority::new(),
            port,
            dir,
            _postgres: postgres,
        }
    }

    /// Starts one with TLS, by a certificate of its authority.
    pub async fn start_with_tls() -> Self {
        let postgres = Self::start().await;
        postgres
            .present("first", &postgres.authority.server())
            .await;
        postgres
    }

    /// Presents this certificate from now on.
    pub async fn present(&self, name: &str, pair: &Pair) {
        self.give(&format!("{name}.crt"), &pair.certificate);
        self.give(&format!("{name}.key"), &pair.key);
        self.give("clients.crt", &self.authority.certificate);
        for setting in [
            &*format!("ssl_cert_file = '{name}.crt'"),
            &format!("ssl_key_file = '{name}.key'"),
            "ssl_ca_file = 'clients.crt'",
            "ssl = on",
        ] {
            let sql = format!("ALTER SYSTEM SET {setting}");
            self.database.execute(&sql).await;
        }
        self.reload_until("ssl_cert_file", &format!("{name}.crt"))
            .await;
    }

    /// Replaces pg_hba.conf. Connections by the Unix-domain socket are always allowed.
    pub async fn allow(&self, lines: &[&str]) {
        let text = format!("local all all trust\n{}\n", lines.join("\n"));
        self.give("pg_hba.conf", &text);
        self.database.execute("SELECT pg_reload_conf()").await;
        // The postmaster reads both files in one go, so a setting tells when.
        let marker = uuid::Uuid::now_v7().simple().to_string();
        let sql = format!("ALTER SYSTEM SET log_line_prefix = '{marker}'");
        self.database.execute(&sql).await;
        self.reload_until("log_line_prefix", &marker).await;
    }

    async fn reload_until(&self, setting: &str, value: &str) {
        self.database.execute("SELECT pg_reload_conf()").await;
        let sql = format!("SELECT current_setting('{setting}', true)");
        let so = async || {
            let client = self.database.client().await;
            let row = client.query_one(&sql, &[]).await.unwrap();
            row.get::<_, Option<String>>(0).as_deref() == Some(value)
        };
        eventually("the settings are read", PATIENCE, so).await;
    }

    /// Writes a file of the server, in its data directory.
    fn give(&self, name: &str, text: &str) {
        let cluster = self.dir.0.join("data/throwaway");
        let path = cluster.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let owner = std::fs::metadata(&cluster).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Ends all sessions by TCP.
    pub async fn end_sessions(&self) {
        self.database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'tls' AND client_addr IS NOT NULL",
            )
            .await;
    }

    /// The user and the group of the server's process.
    pub fn account(&self) -> (u32, u32) {
        let owner = std::fs::metadata(self.dir.0.join("data/throwaway")).unwrap();
        (owner.uid(), owner.gid())
    }

    /// Writes a file of the client; answers its path. Others cannot read a key.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path: &Path = &self.dir.0.join(name);
        std::fs::write(path, text).unwrap();
        if name.ends_with(".key") {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
        }
        path.to_str().unwrap().to_owned()
    }

    /// The file of the authority.
    pub fn authority_file(&self) -> String {
        self.file("ca.pem", &self.authority.certificate)
    }

    /// The database by TCP, with more parameters.
    pub fn by_tcp(&self, parameters: &str) -> Database {
        self.at(NAME, self.port, parameters)
    }

    /// The database at a port of this machine, under a name.
    pub fn at(&self, name: &str, port: u16, parameters: &str) -> Database {
        Database {
            url: format!(
                "postgresql://outbound_tasks@{name}:{port}/postgres?hostaddr=127.0.0.1&application_name=tls{parameters}"
            ),
            application: "tls".to_owned(),
            role: None,
        }
    }

    /// Tries to connect; answers the text of the failure.
    pub async fn fail(&self, database: &Database) -> String {
        let output = database.run(&["migrate", "status"], b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{}: {said}", database.url);
        said
    }

    /// Connects; answers what standard error says.
    pub async fn connect(&self, database: &Database) -> String {
        let output = database.run(&["migrate", "status"], b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {said}", database.url);
        said
    }
}
