//! The transport's floor: a tonic server that answers a ready-made page, in a process of its own.
//!
//! It serves connections as the service does (`server/accept.rs`), with hyper's automatic HTTP version and the same
//! limits on streams, but has no middleware, no log, no key check and no database.

use std::{io::Write, path::Path};

use axum::body::Body;
use http::Request as HttpRequest;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use outbound_tasks::pb::{
    BatchGetOutboundTasksRequest, BatchGetOutboundTasksResponse, GetOutboundTaskRequest,
    GetOutboundTaskResponse, ListOutboundTasksRequest, ListOutboundTasksResponse,
    outbound_task_service_server::{OutboundTaskService, OutboundTaskServiceServer},
};
use prost::Message;
use tokio::{io::AsyncReadExt, net::TcpListener};
use tonic::{Request, Response, Status, service::Routes};
use tower::ServiceExt;

use crate::Result;

/// What tells the benchmark's program to be this server; the file with the answer follows.
pub(crate) const ARGUMENT: &str = "--ready-made";

#[derive(Debug)]
struct ReadyMade(ListOutboundTasksResponse);

#[tonic::async_trait]
impl OutboundTaskService for ReadyMade {
    async fn list_outbound_tasks(
        &self,
        _: Request<ListOutboundTasksRequest>,
    ) -> Result<Response<ListOutboundTasksResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn get_outbound_task(
        &self,
        _: Request<GetOutboundTaskRequest>,
    ) -> Result<Response<GetOutboundTaskResponse>, Status> {
        Err(Status::unimplemented("the floor is that of a list"))
    }

    async fn batch_get_outbound_tasks(
        &self,
        _: Request<BatchGetOutboundTasksRequest>,
    ) -> Result<Response<BatchGetOutboundTasksResponse>, Status> {
        Err(Status::unimplemented("the floor is that of a list"))
    }
}

/// Prints where it listens, and serves until its standard input ends: so never longer than who started it.
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
    let service = OutboundTaskServiceServer::new(ReadyMade(answer));
    let router = Routes::new(service).prepare().into_axum_router();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let router = router.clone();
        let service = router.map_request(|request: HttpRequest<Incoming>| request.map(Body::new));
        tokio::spawn(async move {
            let builder = builder();
            let service = TowerToHyperService::new(service);
            // A caller that ends its connection is no news.
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
