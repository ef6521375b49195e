//! `outbound-tasks probe`: the health check of a container that has no other program for it.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use clap::{Args, ValueEnum};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::terminal::{failed, print};
use crate::{
    config::ListenAddress,
    error::{Error, ErrorKind, Result},
};

/// How long the answer may take.
const LIMIT: Duration = Duration::from_secs(3);
/// The maximum size of the answer, in bytes.
const MOST: u64 = 64 * 1024;

/// Ask a service on this machine whether it is alive or ready, at its admin address and without TLS
#[derive(Debug, Args)]
pub(super) struct Probe {
    /// What to ask
    #[arg(value_enum, default_value = "live")]
    question: Question,
    /// The --admin-listen of the service
    #[arg(
        long,
        env = "OUTBOUND_TASKS_ADMIN_LISTEN",
        default_value = "127.0.0.1:9090"
    )]
    admin_listen: ListenAddress,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Question {
    /// Whether the process answers (/livez)
    Live,
    /// Whether it can serve calls (/readyz)
    Ready,
}

impl Probe {
    pub(super) async fn run(self) -> Result<()> {
        let path = match self.question {
            Question::Live => "/livez",
            Question::Ready => "/readyz",
        };
        let what = format!("the service at {} does not answer", self.admin_listen);
        let answer = match timeout(LIMIT, self.ask(path)).await {
            Ok(answer) => answer.map_err(|error| failed(what, error))?,
            Err(_) => return Err(failed(what, format!("no answer within {LIMIT:?}"))),
        };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or("no HTTP");
        let text = format!("{status} {}", body.trim());
        match status {
            "200" => print(&text),
            _ => Err(Error::new(ErrorKind::Unavailable, text)),
        }
    }

    async fn ask(&self, path: &str) -> std::io::Result<String> {
        let addresses = self.admin_listen.resolve().await?;
        let addresses: Vec<SocketAddr> = addresses.into_iter().map(to_here).collect();
        let mut stream = TcpStream::connect(&*addresses).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// The address to connect to: a service that listens on all addresses is reached on loopback.
fn to_here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
