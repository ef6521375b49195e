//! Hosts for a database that only has a Unix socket: one that connects to it, and one that does not answer.

use std::{
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use tokio::{
    net::{TcpListener, UnixStream},
    task::{JoinHandle, JoinSet},
};
use tokio_postgres::config::Host;

use super::database::Database;

/// A port that forwards to the database's socket, until the value is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn to(database: &Database) -> Self {
        let config: tokio_postgres::Config = database.url.parse().unwrap();
        let [Host::Unix(directory)] = config.get_hosts() else {
            panic!("the database has one socket");
        };
        let socket: PathBuf = directory.join(format!(".s.PGSQL.{}", config.get_ports()[0]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let socket = socket.clone();
                connections.spawn(async move {
                    if let Ok(mut server) = UnixStream::connect(socket).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that never answers, not even with a refusal, since its queue of connections is full.
pub struct BlackHole {
    pub address: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    pub fn new() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    /// On the port of a proxy that has ended.
    pub fn at(address: SocketAddr) -> Self {
        let kind = socket2::Type::STREAM;
        let listener = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        let wait = Duration::from_millis(200);
        while let Ok(stream) = TcpStream::connect_timeout(&address, wait) {
            assert!(queued.len() < 64, "the queue does not get full");
            queued.push(stream);
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }
}

impl Database {
    /// The same database with other hosts.
    pub fn at(&self, hosts: &[SocketAddr], parameters: &str) -> Self {
        let config: tokio_postgres::Config = self.url.parse().unwrap();
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let (_, options) = self.url.split_once("&options=").unwrap();
        let url = format!(
            "postgresql://{}@{}/{}?options={options}{parameters}",
            config.get_user().unwrap(),
            hosts.join(","),
            config.get_dbname().unwrap(),
        );
        Self {
            url,
            application: self.application.clone(),
            role: None,
        }
    }
}
