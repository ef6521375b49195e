//! A client with one key for every rpc, and what the tests of writes send and read with it.

use std::collections::HashMap;

use outbound_tasks::pb::{
    self, TargetState, TaskAction, TaskStatus,
    outbound_task_service_client::OutboundTaskServiceClient,
};
use prost::Message;
use prost_types::Timestamp;
use tokio_stream::iter;
use tonic::{Code, Response, Status, transport::Channel};
use tonic_types::StatusExt;

use super::server::{Server, request_with};

pub type Answer<T> = Result<Response<T>, Status>;

#[derive(Clone)]
pub struct Client {
    grpc: OutboundTaskServiceClient<Channel>,
    pub key: String,
}

macro_rules! calls {
    ($($call:ident: $request:ident -> $response:ident,)*) => {
        impl Client {
            $(pub async fn $call(&self, message: pb::$request) -> Answer<pb::$response> {
                self.grpc.clone().$call(request_with(&self.key, message)).await
            })*
        }
    };
}

calls! {
    list_outbound_tasks: ListOutboundTasksRequest -> ListOutboundTasksResponse,
    get_outbound_task: GetOutboundTaskRequest -> GetOutboundTaskResponse,
    create_outbound_task: CreateOutboundTaskRequest -> CreateOutboundTaskResponse,
    batch_create_outbound_tasks: BatchCreateOutboundTasksRequest -> BatchCreateOutboundTasksResponse,
    copy_outbound_task: CopyOutboundTaskRequest -> CopyOutboundTaskResponse,
    update_outbound_task: UpdateOutboundTaskRequest -> UpdateOutboundTaskResponse,
    delete_outbound_task: DeleteOutboundTaskRequest -> DeleteOutboundTaskResponse,
    start_outbound_task: StartOutboundTaskRequest -> StartOutboundTaskResponse,
    pause_outbound_task: PauseOutboundTaskRequest -> PauseOutboundTaskResponse,
    resume_outbound_task: ResumeOutboundTaskRequest -> ResumeOutboundTaskResponse,
    stop_outbound_task: StopOutboundTaskRequest -> StopOutboundTaskResponse,
    complete_outbound_task: CompleteOutboundTaskRequest -> CompleteOutboundTaskResponse,
    fail_outbound_task: FailOutboundTaskRequest -> FailOutboundTaskResponse,
    bulk_change_outbound_tasks: BulkChangeOutboundTasksRequest -> BulkChangeOutboundTasksResponse,
    list_task_targets: ListTaskTargetsRequest -> ListTaskTargetsResponse,
    remove_task_targets: RemoveTaskTargetsRequest -> RemoveTaskTargetsResponse,
    report_target_results: ReportTargetResultsRequest -> ReportTargetResultsResponse,
    list_task_events: ListTaskEventsRequest -> ListTaskEventsResponse,
    get_task_progress: GetTaskProgressRequest -> GetTaskProgressResponse,
    get_quota: GetQuotaRequest -> GetQuotaResponse,
}

/// An action on a task, with all fields of its message.
#[derive(Debug, Clone, Default)]
pub struct Act<'a> {
    pub task_id: &'a str,
    pub reason: &'a str,
    pub etag: &'a str,
    pub idempotency_key: &'a str,
}

/// The six messages have the same fields, but no common type.
macro_rules! act {
    ($client:ident, $act:ident, $call:ident, $message:ident) => {{
        let message = pb::$message {
            task_id: $act.task_id.to_owned(),
            reason: $act.reason.to_owned(),
            etag: $act.etag.to_owned(),
            idempotency_key: $act.idempotency_key.to_owned(),
            ..Default::default()
        };
        let answer = $client.$call(message).await?;
        Ok(answer.map(|response| response.task.unwrap()))
    }};
}

impl Client {
    pub async fn new(server: &Server) -> Self {
        Self::with_key(server, &server.key).await
    }

    pub async fn with_key(server: &Server, key: &str) -> Self {
        Self::on(server.grpc().await, key)
    }

    pub fn on(grpc: OutboundTaskServiceClient<Channel>, key: &str) -> Self {
        Self {
            grpc,
            key: key.to_owned(),
        }
    }

    pub async fn add_task_targets(
        &self,
        messages: Vec<pb::AddTaskTargetsRequest>,
    ) -> Answer<pb::AddTaskTargetsResponse> {
        self.add_stream(iter(messages)).await
    }

    pub async fn add_stream(
        &self,
        messages: impl futures_util::Stream<Item = pb::AddTaskTargetsRequest> + Send + 'static,
    ) -> Answer<pb::AddTaskTargetsResponse> {
        let request = request_with(&self.key, messages);
        self.grpc.clone().add_task_targets(request).await
    }

    pub async fn import_stream(
        &self,
        messages: impl futures_util::Stream<Item = pb::ImportOutboundTasksRequest> + Send + 'static,
    ) -> Answer<pb::ImportOutboundTasksResponse> {
        let request = request_with(&self.key, messages);
        self.grpc.clone().import_outbound_tasks(request).await
    }

    pub async fn import_targets_stream(
        &self,
        messages: impl futures_util::Stream<Item = pb::ImportTaskTargetsRequest> + Send + 'static,
    ) -> Answer<pb::ImportTaskTargetsResponse> {
        let request = request_with(&self.key, messages);
        self.grpc.clone().import_task_targets(request).await
    }

    pub async fn act(&self, action: TaskAction, act: Act<'_>) -> Answer<pb::OutboundTask> {
        match action {
            TaskAction::Start => act!(self, act, start_outbound_task, StartOutboundTaskRequest),
            TaskAction::Pause => act!(self, act, pause_outbound_task, PauseOutboundTaskRequest),
            TaskAction::Resume => act!(self, act, resume_outbound_task, ResumeOutboundTaskRequest),
            TaskAction::Stop => act!(self, act, stop_outbound_task, StopOutboundTaskRequest),
            TaskAction::Complete => {
                act!(
                    self,
                    act,
                    complete_outbound_task,
                    CompleteOutboundTaskRequest
                )
            }
            TaskAction::Fail => act!(self, act, fail_outbound_task, FailOutboundTaskRequest),
            TaskAction::Unspecified => panic!("no action"),
        }
    }

    /// Does an action that is allowed, without a reason.
    pub async fn acted(&self, action: TaskAction, task_id: &str) -> pb::OutboundTask {
        let act = Act {
            task_id,
            ..Act::default()
        };
        self.act(action, act).await.unwrap().into_inner()
    }

    pub async fn create(&self, task: pb::NewOutboundTask) -> pb::OutboundTask {
        let message = pb::CreateOutboundTaskRequest {
            task: Some(task),
            idempotency_key: String::new(),
            ..Default::default()
        };
        let made = self.create_outbound_task(message).await.unwrap();
        made.into_inner().task.unwrap()
    }

    /// Creates any number of tasks.
    pub async fn create_all(&self, tasks: Vec<pb::NewOutboundTask>) {
        let (mut tasks, mut batch, mut bytes) = (tasks.into_iter().peekable(), Vec::new(), 0);
        while let Some(task) = tasks.next() {
            bytes += task.encoded_len();
            batch.push(task);
            // A request message has at most 256 KiB and 1,000 tasks.
            if bytes >= 200 * 1024 || batch.len() == 1000 || tasks.peek().is_none() {
                let message = pb::BatchCreateOutboundTasksRequest {
                    tasks: std::mem::take(&mut batch),
                    idempotency_key: String::new(),
                    ..Default::default()
                };
                self.batch_create_outbound_tasks(message).await.unwrap();
                bytes = 0;
            }
        }
    }

    pub async fn get(&self, task_id: &str) -> Result<pb::OutboundTask, Status> {
        let message = pb::GetOutboundTaskRequest {
            task_id: task_id.to_owned(),
            target_limit: None,
            read_mask: None,
        };
        let got = self.get_outbound_task(message).await?;
        Ok(got.into_inner().task.unwrap())
    }

    pub async fn try_delete(&self, task_id: &str) -> Result<(), Status> {
        let message = pb::DeleteOutboundTaskRequest {
            task_id: task_id.to_owned(),
            ..Default::default()
        };
        self.delete_outbound_task(message).await.map(drop)
    }

    pub async fn delete(&self, task_id: &str) {
        self.try_delete(task_id).await.unwrap();
    }

    /// The events of a task, oldest first, at most 1000.
    pub async fn events(&self, task_id: &str) -> Vec<pb::TaskEvent> {
        let message = pb::ListTaskEventsRequest {
            task_id: task_id.to_owned(),
            limit: 1000,
            ..Default::default()
        };
        let events = self.list_task_events(message).await.unwrap();
        events.into_inner().events
    }

    /// All targets of a task.
    pub async fn targets(&self, task_id: &str) -> Vec<pb::TaskTarget> {
        let mut targets = Vec::new();
        let mut message = pb::ListTaskTargetsRequest {
            task_id: task_id.to_owned(),
            limit: 1000,
            ..Default::default()
        };
        loop {
            let page = self.list_task_targets(message.clone()).await.unwrap();
            let page = page.into_inner();
            targets.extend(page.targets);
            if page.next_page_token.is_empty() {
                assert_eq!(page.total as usize, targets.len());
                return targets;
            }
            message.page_token = page.next_page_token;
        }
    }

    /// The total of the list, and the number of tasks of each status.
    pub async fn totals(&self) -> (i32, [i32; 6]) {
        let message = pb::ListOutboundTasksRequest {
            limit: 1,
            status_counts: true,
            ..Default::default()
        };
        let list = self.list_outbound_tasks(message).await.unwrap();
        let list = list.into_inner();
        let counts: Vec<i32> = list.status_counts.iter().map(|c| c.count).collect();
        (list.total, counts.try_into().unwrap())
    }
}

pub fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// The start of a task in the near future. It lasts an hour.
pub const START: i64 = 2_000_000_000;

pub fn new_task(id: &str, target: &[&str]) -> pb::NewOutboundTask {
    pb::NewOutboundTask {
        task_id: id.to_owned(),
        name: format!("task {id}"),
        target: target.iter().map(|c| (*c).to_owned()).collect(),
        start_time: at(START),
        end_time: at(START + 3600),
        ..Default::default()
    }
}

/// A copy of the customers that were not reached, with its own id if that is not empty.
pub fn copy_of(source: &str, id: &str) -> pb::CopyOutboundTaskRequest {
    pb::CopyOutboundTaskRequest {
        source_task_id: source.to_owned(),
        task_id: id.to_owned(),
        name: format!("copy of {source}"),
        start_time: at(START + 7200),
        end_time: at(START + 10_800),
        ..Default::default()
    }
}

pub fn result(customer: &str, state: TargetState, attempt: i32, seconds: i64) -> pb::TargetResult {
    pb::TargetResult {
        customer_id: customer.to_owned(),
        state: state as i32,
        attempt,
        time: at(seconds),
    }
}

/// One message of an upload.
pub fn part(task_id: &str, customers: &[&str]) -> pb::AddTaskTargetsRequest {
    pb::AddTaskTargetsRequest {
        task_id: task_id.to_owned(),
        customer_ids: customers.iter().map(|c| (*c).to_owned()).collect(),
        idempotency_key: String::new(),
        ..Default::default()
    }
}

/// The actions that lead a new task to a status.
pub fn way_to(status: TaskStatus) -> &'static [TaskAction] {
    match status {
        TaskStatus::Pending => &[],
        TaskStatus::Running => &[TaskAction::Start],
        TaskStatus::Paused => &[TaskAction::Start, TaskAction::Pause],
        TaskStatus::Completed => &[TaskAction::Start, TaskAction::Complete],
        TaskStatus::Stopped => &[TaskAction::Stop],
        TaskStatus::Failed => &[TaskAction::Fail],
        TaskStatus::Unspecified => panic!("no status"),
    }
}

pub const ACTIONS: [TaskAction; 6] = [
    TaskAction::Start,
    TaskAction::Pause,
    TaskAction::Resume,
    TaskAction::Stop,
    TaskAction::Complete,
    TaskAction::Fail,
];

/// The fields of an INVALID_ARGUMENT's violations, in order.
pub fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    violations.iter().map(|v| v.field.clone()).collect()
}

/// The metadata of an error's ErrorInfo.
pub fn facts(status: &Status) -> HashMap<String, String> {
    let details = status.get_error_details();
    details.error_info().unwrap().metadata.clone()
}

/// The metadata as (name, value), of an error with an ErrorInfo.
pub fn fact(status: &Status) -> (String, String) {
    let mut facts: Vec<_> = facts(status).into_iter().collect();
    assert_eq!(facts.len(), 1, "{status:?}");
    facts.remove(0)
}

/// The id of the task that an error is about.
pub fn resource(status: &Status) -> String {
    let details = status.get_error_details();
    let resource = details.resource_info().unwrap();
    assert_eq!(resource.resource_type, "outboundtasks.v1.OutboundTask");
    resource.resource_name.clone()
}

/// Checks that an error is NOT_FOUND, for this task.
pub fn assert_not_found(status: &Status, task_id: &str) {
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    assert_eq!(resource(status), task_id);
}

/// Whether an answer is marked as a replay.
pub fn is_replay<T>(answer: &Response<T>) -> bool {
    match answer.metadata().get("idempotent-replayed") {
        None => false,
        Some(value) => {
            assert_eq!(value, "true");
            true
        }
    }
}

pub async fn report(
    client: &Client,
    task_id: &str,
    results: &[pb::TargetResult],
) -> Result<pb::ReportTargetResultsResponse, Status> {
    let message = pb::ReportTargetResultsRequest {
        task_id: task_id.into(),
        results: results.to_vec(),
        idempotency_key: String::new(),
        ..Default::default()
    };
    let reported = client.report_target_results(message).await?;
    Ok(reported.into_inner())
}

pub async fn remove(
    client: &Client,
    task_id: &str,
    customers: &[String],
) -> Result<pb::RemoveTaskTargetsResponse, Status> {
    let message = pb::RemoveTaskTargetsRequest {
        task_id: task_id.into(),
        customer_ids: customers.to_vec(),
        ..Default::default()
    };
    let removed = client.remove_task_targets(message).await?;
    Ok(removed.into_inner())
}
