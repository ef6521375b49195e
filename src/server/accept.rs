//! The accept loop: the number of connections, their limits, their age and their end.
//!
//! It runs hyper directly, because tonic's accept loop limits neither the number of connections nor the time a client
//! may take to send its headers, and its graceful shutdown waits for idle clients without limit.
//!
//! When the maximum number of connections is open, the one that has been idle longest is closed for a new one. A
//! connection is idle while no authenticated call is in progress on it, so calls without a key cannot keep others out.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tower::{ServiceExt, util::BoxCloneSyncService};

use super::{
    addresses::{Addresses, Entrance},
    batch::Batch,
    guard::Guard,
    hyper_settings::builder,
    idle::Registry,
    socket::Socket,
    tls::{Opening, Tls},
};
use crate::{
    request::{
        AddressLimits, Connection,
        sent::{MOST_REFUSALS, Outgoing},
    },
    telemetry::{Metrics, RareLog},
};

/// A type-erased HTTP service.
pub(super) type Service = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The limits of each connection and of all connections together.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The maximum number of open connections. A further one closes the connection that has been idle longest; if none
    /// is idle, it waits.
    pub connections: usize,
    /// The limits of what comes from one address.
    pub addresses: AddressLimits,
    /// Age at which a connection is closed gracefully, so that clients spread over new servers. Varies by up to 10 %.
    pub age: Duration,
    /// How long the calls of a connection that is being closed may take to end.
    pub age_grace: Duration,
    /// How long a client may take to send the HTTP/2 preface or the first HTTP/1.1 headers.
    pub header_timeout: Duration,
    /// How long an HTTP/1.1 connection may take from a response to the complete headers of the next request. It must be
    /// longer than the keep-alive time of a proxy in front; otherwise the proxy sends requests on closing connections.
    pub idle_timeout: Duration,
    /// How long response bytes may wait while the client takes none of them.
    pub write_timeout: Duration,
}

/// The connection preface of an HTTP/2 client (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Open files besides client connections: connections to PostgreSQL, listeners, standard streams.
/// Far more than a service opens, because running out of descriptors stops it from accepting
/// anybody.
const OWN_FILES: u64 = 200;
/// How long a connection that is closed for a new one may take to close gracefully.
const GIVE_WAY: Duration = Duration::from_secs(1);
/// The maximum number of such connections at a time, on top of the limit; further ones are cut off.
/// Without this limit, a client that opens connections quickly could hold any number of them in
/// their last second.
const MOST_GIVING_WAY: usize = 100;
/// Pause after a failed accept; the usual cause is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `shutdown`. Then waits up to `drain` for calls to end, and cuts off the remaining ones.
pub(super) async fn run(
    (listener, tls): (TcpListener, Option<Arc<Tls>>),
    service: Service,
    limits: &Limits,
    response_bytes: usize,
    metrics: &Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    allow_files(limits.connections as u64 + OWN_FILES);
    let permits = Arc::new(Semaphore::new(limits.connections));
    let giving_way = Arc::new(Semaphore::new(MOST_GIVING_WAY));
    let refusals = Arc::new(Semaphore::new(MOST_REFUSALS));
    let floods = Arc::new(RareLog::default());
    let not_accepted = RareLog::default();
    let opening = Arc::new(Opening::new(tls));
    let addresses = Addresses::new(limits.addresses.clone(), metrics);
    let mut registry = Registry::default();
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut count: u32 = 0;
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        // Ended connections would otherwise stay in the set until the stop.
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            // An IPv4 client of a listener for both families is an IPv4 address.
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(error) => {
                if not_accepted.is_due() {
                    tracing::warn!(%error, "connections are not accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Before the permit, so that what one address has too many closes no connection of others.
        let Some(entrance) = addresses.enter(peer) else {
            continue;
        };
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = registry.permit(&permits, metrics) => permit,
        };
        count = count.wrapping_add(1);
        // The ages are spread over 16 steps, so that connections opened together do not close together.
        let spread = limits.age / 10 * (count % 16) / 16;
        let (calls, entry) = registry.enter(peer);
        let connection = connection(
            (stream, entrance),
            Arc::clone(&opening),
            Arc::clone(&calls),
            service.clone(),
            Limits {
                age: limits.age + spread,
                ..limits.clone()
            },
            Arc::new(Outgoing::new(response_bytes, Arc::clone(&refusals))),
            stopping.clone(),
        );
        let metrics = Arc::clone(metrics);
        let (giving_way, floods) = (Arc::clone(&giving_way), Arc::clone(&floods));
        connections.spawn(async move {
            let _entry = entry;
            metrics.connections().inc();
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                // The client gets a GOAWAY or `connection: close`; the new connection takes the permit at once.
                () = calls.gives_way() => {
                    drop(permit);
                    match giving_way.try_acquire() {
                        Ok(_giving_way) => match timeout(GIVE_WAY, connection).await {
                            Ok(ended) => ended,
                            Err(elapsed) => Err(elapsed.into()),
                        },
                        Err(_) => Ok(()),
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended in error");
            }
            metrics.connections().dec();
            if calls.is_flooded() {
                metrics.floods().inc();
                if floods.is_due() {
                    tracing::warn!(
                        "a connection was closed because its client sent too many HTTP/2 control frames; the metric \
                         control_frame_floods counts them, and the log repeats this at most once a minute"
                    );
                }
            }
        });
    }
    // Closed first: new clients are refused by the system, and a load balancer tries another
    // server.
    drop(listener);
    // Dropping the sender closes the receivers of all connections.
    drop(stop);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(drain, all_ended).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "connections cut off at the end of the drain time"
        );
        connections.shutdown().await;
    }
}

/// Raises the soft limit of open files, which is 1,024 on most systems, to `needed` or as far as the hard limit allows.
fn allow_files(needed: u64) {
    match rlimit::increase_nofile_limit(needed) {
        Ok(allowed) if allowed >= needed => {}
        Ok(allowed) => tracing::warn!(
            allowed,
            needed,
            "as many connections as --max-connections says need more open files than are allowed: raise the hard limit \
             (ulimit -Hn, LimitNOFILE)"
        ),
        Err(error) => tracing::warn!(%error, needed, "the limit of open files was not raised"),
    }
}

/// Serves one connection to its end: reads the PROXY header and does the TLS handshake, if any, detects the HTTP version,
/// then runs hyper until the client, a limit or the shutdown ends the connection.
async fn connection(
    (mut stream, mut entrance): (TcpStream, Entrance),
    opening: Arc<Opening>,
    calls: Arc<Connection>,
    service: Service,
    limits: Limits,
    outgoing: Arc<Outgoing>,
    mut stopping: watch::Receiver<()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Without it, Nagle's algorithm holds small frames back until the client acknowledges earlier
    // ones, which costs up to 40 ms.
    stream.set_nodelay(true)?;
    let opened = async {
        let handshake = opening.handshake_timeout();
        // The time that a PROXY header takes is missing from that of what follows it.
        let mut deadline = Instant::now() + handshake.unwrap_or(limits.header_timeout);
        entrance.read_header(&mut stream, &calls, deadline).await?;
        let mut stream = opening.open(stream, &calls, deadline).await?;
        if handshake.is_some() {
            deadline = Instant::now() + limits.header_timeout;
        }
        let begin = timeout_at(deadline, read_begin(&mut stream)).await??;
        Ok::<_, io::Error>((stream, begin))
    };
    let (stream, begin) = tokio::select! {
        opened = opened => opened?,
        _ = stopping.changed() => return Ok(()),
        () = calls.ended() => return Ok(()),
    };
    opening.check(&begin);
    // RFC 9113 lets a client with prior knowledge begin with the preface; no HTTP/1.1 request
    // begins like it.
    let is_http1 = begin != PREFACE;
    let stream = Socket::new(stream, begin, Arc::clone(&outgoing));
    let preface = if is_http1 { None } else { Some(PREFACE.len()) };
    let stream = Guard::new(stream, preface, Arc::clone(&calls));
    let batch = Batch::new(stream, is_http1);
    let asked = Arc::new(Notify::new());
    let first = Arc::clone(&asked);
    let of = Arc::clone(&calls);
    let (incoming, answers) = (Arc::clone(&outgoing), Arc::clone(&outgoing));
    let is_last = Arc::new(AtomicBool::new(false));
    let (closes, reads) = (Arc::clone(&is_last), Arc::clone(&calls));
    let service = service
        .map_request(move |request: Request<Incoming>| {
            first.notify_one();
            of.touch();
            incoming.begin(request.version());
            let mut request = match is_http1 {
                true => {
                    let waits = request.headers().contains_key(header::EXPECT);
                    request.map(|body| of.body(Body::new(body), waits))
                }
                false => request.map(Body::new),
            };
            request.extensions_mut().insert(Arc::clone(&of));
            request.extensions_mut().insert(Arc::clone(&incoming));
            request
        })
        .then(move |response: Result<Response<Body>, Infallible>| {
            let (answers, closes) = (Arc::clone(&answers), Arc::clone(&closes));
            let reads = is_http1.then(|| Arc::clone(&reads));
            async move {
                let mut response = response?;
                let is_read = match reads {
                    Some(connection) => connection.read_rest().await,
                    None => true,
                };
                if closes.load(Ordering::Relaxed) || !is_read {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(answers.send(response))
            }
        });
    // hyper has a single timeout for the first and for later headers, so the first request is awaited here.
    let late = async {
        if !is_http1
            || timeout(limits.header_timeout, asked.notified())
                .await
                .is_ok()
        {
            std::future::pending().await
        }
    };
    // `late` limits the first headers; this timeout must not be shorter.
    let idle = limits.idle_timeout.max(limits.header_timeout);
    let builder = builder(idle, limits.write_timeout);
    let served = builder.serve_connection(
        TokioIo::new(batch.clone()),
        TowerToHyperService::new(service),
    );
    tokio::pin!(served);
    let aged = async {
        tokio::time::sleep(limits.age).await;
        // HTTP/1.1 has no GOAWAY: if the connection were closed while it is idle, a request might be on its way. So the next
        // answer ends it, and it is closed without one only after the grace.
        if is_http1 {
            is_last.store(true, Ordering::Relaxed);
            tokio::time::sleep(limits.age_grace).await;
        }
    };
    tokio::select! {
        ended = batch.send(served.as_mut()) => return ended,
        () = late => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        error = broken(&outgoing, &calls, &limits) => return Err(error),
        // No age grace here: the drain time of the caller is the limit.
        _ = stopping.changed() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = batch.send(served) => return ended,
                error = broken(&outgoing, &calls, &limits) => return Err(error),
            }
        }
        () = calls.ended() => {}
        () = aged => {}
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        ended = timeout(limits.age_grace, batch.send(served)) => ended.unwrap_or_else(|elapsed| Err(elapsed.into())),
        error = broken(&outgoing, &calls, &limits) => Err(error),
    }
}

/// Waits until the connection has to be reset: its client takes nothing, or must not have the rest. The socket resets it
/// when it is dropped.
async fn broken(
    outgoing: &Outgoing,
    calls: &Connection,
    limits: &Limits,
) -> Box<dyn std::error::Error + Send + Sync> {
    let limit = limits.write_timeout;
    tokio::select! {
        () = outgoing.stalled(limit) => {
            tracing::info!(
                ?limit,
                "a connection was reset: its client took nothing for the write timeout"
            );
            io::Error::from(io::ErrorKind::TimedOut).into()
        }
        () = calls.is_cut_off() => {
            outgoing.cut();
            io::Error::from(io::ErrorKind::ConnectionAborted).into()
        }
    }
}

/// Reads until the HTTP version is clear. hyper would wait for that without limit, because its header timeout starts
/// only afterwards.
async fn read_begin(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut begin = Vec::with_capacity(PREFACE.len());
    while begin.len() < PREFACE.len() && PREFACE.starts_with(&begin) {
        if reader.read_buf(&mut begin).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(begin)
}
