//! A client that holds the present state of a watched list.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use outbound_tasks::pb::{
    OutboundTask, TaskChangeKind, TaskFilter, WatchOutboundTasksRequest,
    WatchOutboundTasksResponse, outbound_task_service_client::OutboundTaskServiceClient,
};
use tokio::time::timeout;
use tonic::{Code, Status, Streaming, transport::Endpoint};
use tonic_types::StatusExt;

use super::{
    PATIENCE,
    server::{Server, request_with},
};

/// A running watch.
pub struct Watch {
    messages: Streaming<WatchOutboundTasksResponse>,
}

impl Watch {
    pub async fn begin(
        address: SocketAddr,
        key: &str,
        request: WatchOutboundTasksRequest,
    ) -> Result<Self, Status> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self::begin_at(endpoint, key, request).await
    }

    /// The same with a client that buffers only 64 KiB of what it does not read.
    pub async fn begin_slow(
        address: SocketAddr,
        key: &str,
        request: WatchOutboundTasksRequest,
    ) -> Result<Self, Status> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let endpoint = endpoint.initial_stream_window_size(65_535);
        Self::begin_at(
            endpoint.initial_connection_window_size(65_535),
            key,
            request,
        )
        .await
    }

    async fn begin_at(
        endpoint: Endpoint,
        key: &str,
        request: WatchOutboundTasksRequest,
    ) -> Result<Self, Status> {
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|e| Status::unavailable(e.to_string()))?;
        let mut grpc = OutboundTaskServiceClient::new(channel);
        let watch = grpc.watch_outbound_tasks(request_with(key, request));
        Ok(Self {
            messages: watch.await?.into_inner(),
        })
    }

    /// The next message, `None` at the end.
    pub async fn next(&mut self) -> Result<Option<WatchOutboundTasksResponse>, Status> {
        let message = timeout(PATIENCE, self.messages.message()).await;
        message.expect("a watch is not silent for so long")
    }
}

/// A watcher's state of the list.
#[derive(Debug, Default, Clone)]
pub struct Picture {
    pub filter: TaskFilter,
    pub tasks: BTreeMap<String, OutboundTask>,
    /// The highest version of each task, also of deleted ones.
    versions: BTreeMap<String, i64>,
    pub resume_token: String,
    /// The received changes, by kind.
    pub seen: BTreeMap<i32, usize>,
    /// Number of times that it had to start again.
    pub anew: usize,
}

impl Picture {
    pub fn of(filter: TaskFilter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// The request that resumes after everything in the picture.
    pub fn request(&self) -> WatchOutboundTasksRequest {
        WatchOutboundTasksRequest {
            filter: Some(self.filter.clone()),
            resume_token: self.resume_token.clone(),
            ..Default::default()
        }
    }

    /// Resumes a watch after that position.
    pub async fn begin(&self, server: &Server) -> Watch {
        let watch = Watch::begin(server.address, &server.key, self.request());
        watch.await.unwrap()
    }

    /// The same, and reads until the first token: the initial tasks, or the missed changes.
    pub async fn begin_and_read(&mut self, server: &Server) -> Watch {
        let mut watch = self.begin(server).await;
        self.follow(&mut watch, |p| !p.resume_token.is_empty())
            .await;
        watch
    }

    /// Adds a message, which must be consistent with the picture.
    pub fn apply(&mut self, message: WatchOutboundTasksResponse) {
        if message.list_again {
            self.begin_anew();
            self.anew += 1;
            return;
        }
        for change in message.changes {
            let kind = change.kind();
            *self.seen.entry(change.kind).or_default() += 1;
            let id = change.task_id;
            if let Some(task) = &change.task {
                assert_eq!(task.task_id, id);
                let version = i64::from_str_radix(&task.etag, 16).unwrap();
                let before = self.versions.insert(id.clone(), version);
                // An initial task may be known from an interrupted watch.
                let rises = match kind {
                    TaskChangeKind::Initial => before <= Some(version),
                    _ => before < Some(version),
                };
                assert!(rises, "{id}: {before:?}, then {version}, {kind:?}");
            }
            let is_known = match change.task {
                Some(task) => self.tasks.insert(id.clone(), task).is_some(),
                None => self.tasks.remove(&id).is_some(),
            };
            match kind {
                TaskChangeKind::Initial | TaskChangeKind::Created => assert!(!is_known, "{id}"),
                TaskChangeKind::Changed | TaskChangeKind::Removed => {
                    assert!(is_known, "{id}, {kind:?}")
                }
                TaskChangeKind::Unspecified => panic!("{id}"),
            }
        }
        // After an interruption, a message without a token leaves nothing to resume from.
        self.resume_token = message.resume_token;
    }

    /// Forgets changes from which it cannot resume.
    pub fn begin_anew(&mut self) {
        self.tasks.clear();
        self.resume_token.clear();
    }

    /// Follows a watch until the picture meets the condition.
    pub async fn follow(&mut self, watch: &mut Watch, so: impl Fn(&Self) -> bool) {
        while !so(self) {
            let message = watch.next().await.unwrap().expect("the watch goes on");
            self.apply(message);
        }
    }

    /// Follows watches, on any server, until `so`. An error that ends a watch must be one after which a client may
    /// retry.
    pub async fn follow_on(
        &mut self,
        address: impl Fn() -> SocketAddr,
        key: &str,
        so: impl Fn(&Self) -> bool,
    ) {
        while !so(self) {
            if self.resume_token.is_empty() {
                self.begin_anew();
            }
            let mut ended = match Watch::begin(address(), key, self.request()).await {
                Err(error) => Some(error),
                Ok(mut watch) => loop {
                    match watch.next().await {
                        Ok(Some(message)) => self.apply(message),
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                    if so(self) {
                        return;
                    }
                },
            };
            if let Some(error) = ended.take() {
                // An error without details is the client's own, for a broken connection.
                let is_own = error.get_error_details().error_info().is_some();
                assert!(!is_own || error.code() == Code::Unavailable, "{error:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
