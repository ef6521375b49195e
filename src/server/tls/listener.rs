//! The operator's port with TLS.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::server::TlsStream;

use super::acceptor::{Port, Tls};

/// The maximum number of unfinished handshakes; meanwhile the system queues further connections.
const MOST_HANDSHAKES: usize = 100;

/// A listener whose connections have finished their handshakes. Handshakes run beside each other.
pub(crate) struct TlsListener {
    listener: TcpListener,
    tls: Arc<Tls>,
    handshakes: JoinSet<io::Result<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, tls: Arc<Tls>) -> Self {
        Self {
            listener,
            tls,
            handshakes: JoinSet::new(),
        }
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let has_room = self.handshakes.len() < MOST_HANDSHAKES;
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    // Failures are logged where they happen.
                    if let Ok(Ok(accepted)) = done {
                        return accepted;
                    }
                }
                // axum's listener pauses after an error of the system.
                (stream, peer) = axum::serve::Listener::accept(&mut self.listener), if has_room => {
                    let tls = Arc::clone(&self.tls);
                    self.handshakes.spawn(async move {
                        let deadline = Instant::now() + tls.handshake_timeout();
                        let stream = tls.accept(stream, Port::Admin, peer.ip(), deadline).await?;
                        Ok((stream, peer))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
