//! The floor of the transport: a tonic server that answers with a ready-made page, in a process of its own.
//!
//! It serves connections as the service does (`server/accept.rs`), with hyper's automatic HTTP version and the same
//! limits on streams, but has no middleware, no log, no key check and no database.

use std::{io::Write, path::Path};

use axum::{Router, body::Body, routing::post};
use http::Request as HttpRequest;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use outbound_tasks::pb::{ListOutboundTasksRequest, ListOutboundTasksResponse};
use prost::Message;
use tokio::{io::AsyncReadExt, net::TcpListener};
use tonic::{Request, Response, Status, server::Grpc};
use tonic_prost::ProstCodec;
use tower::{ServiceExt, service_fn};

use crate::Result;

/// The argument that makes the benchmark's program this server. The file with the answer follows.
pub(crate) const ARGUMENT: &str = "--ready-made";

const RPC: &str = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";

/// Prints its address, and serves until its standard input ends, so no longer than the process that started it.
pub(crate) async fn run(file: &Path) -> Result<()> {
    let answer = ListOutboundTasksResponse::decode(&*std::fs::read(file)?)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let (mut input, mut nothing) = (tokio::io::stdin(), Vec::new());
    tokio::select! {
        served = serve(listener, answer) => served,
        _ = input.read_to_end(&mut nothing) => Ok(()),
    }
}

async fn serve(listener: TcpListener, answer: ListOutboundTasksResponse) -> Result<()> {
    // What the generated server does for one rpc, without the others.
    let respond = service_fn(move |_: Request<ListOutboundTasksRequest>| {
        std::future::ready(Ok::<_, Status>(Response::new(answer.clone())))
    });
    let handler = post(move |request: HttpRequest<Body>| {
        let respond = respond.clone();
        async move {
            Grpc::new(ProstCodec::default())
                .unary(respond, request)
                .await
        }
    });
    let router = Router::new().route(RPC, handler);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let router = router.clone();
        let service = router.map_request(|request: HttpRequest<Incoming>| request.map(Body::new));
        tokio::spawn(async move {
            let builder = builder();
            let service = TowerToHyperService::new(service);
            // A caller that closes its connection is no error.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024);
    builder
}
