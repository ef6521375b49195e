//! Writes of every kind with an idempotency key, and their answers as bytes, for tests that repeat them.

use outbound_tasks::pb::{
    AddTaskTargetsRequest, BatchCreateOutboundTasksRequest, BulkChangeOutboundTasksRequest,
    CopyOutboundTaskRequest, CreateOutboundTaskRequest, DeleteOutboundTaskRequest, NewOutboundTask,
    OutboundTask, RemoveTaskTargetsRequest, ReportTargetResultsRequest, TargetResult, TaskAction,
    TaskFilter, UpdateOutboundTaskRequest,
};
use prost::Message;
use tonic::{Response, Status};

use super::client::{Act, Client, copy_of, is_replay};

/// An answer as bytes, and whether it is a replay.
pub type Raw = Result<(Vec<u8>, bool), Status>;

fn raw<M: Message>(answer: Result<Response<M>, Status>) -> Raw {
    answer.map(|a| (a.get_ref().encode_to_vec(), is_replay(&a)))
}

/// A write that can be sent.
pub enum Write<'a> {
    Create(NewOutboundTask),
    Batch(Vec<NewOutboundTask>),
    /// A copy of a task.
    Copy(&'a str),
    /// A new name for a task.
    Rename(&'a str, &'a str),
    /// An action on a task, for a reason.
    Act(TaskAction, &'a str, &'a str),
    /// An action on the tasks of a filter, with their expected number.
    Bulk(TaskAction, TaskFilter, i32),
    Upload(Vec<AddTaskTargetsRequest>),
    Report(&'a str, Vec<TargetResult>),
    /// Customers to remove from a task.
    Remove(&'a str, &'a [&'a str]),
    Delete(&'a str),
}

impl Write<'_> {
    /// Sends it with an idempotency key.
    pub async fn send(self, client: &Client, key: &str) -> Raw {
        let idempotency_key = key.to_owned();
        match self {
            Self::Create(task) => {
                let message = CreateOutboundTaskRequest {
                    task: Some(task),
                    idempotency_key,
                    ..Default::default()
                };
                raw(client.create_outbound_task(message).await)
            }
            Self::Batch(tasks) => {
                let message = BatchCreateOutboundTasksRequest {
                    tasks,
                    idempotency_key,
                    ..Default::default()
                };
                raw(client.batch_create_outbound_tasks(message).await)
            }
            Self::Copy(source) => {
                let message = CopyOutboundTaskRequest {
                    idempotency_key,
                    ..copy_of(source, "")
                };
                raw(client.copy_outbound_task(message).await)
            }
            Self::Rename(id, name) => {
                let message = UpdateOutboundTaskRequest {
                    task: Some(OutboundTask {
                        task_id: id.into(),
                        name: name.into(),
                        ..Default::default()
                    }),
                    update_mask: None,
                    idempotency_key,
                    ..Default::default()
                };
                raw(client.update_outbound_task(message).await)
            }
            Self::Act(action, task_id, reason) => {
                let act = Act {
                    task_id,
                    reason,
                    idempotency_key: key,
                    ..Act::default()
                };
                raw(client.act(action, act).await)
            }
            Self::Bulk(action, filter, count) => {
                let message = BulkChangeOutboundTasksRequest {
                    filter: Some(filter),
                    action: action as i32,
                    expected_count: Some(count),
                    idempotency_key,
                    ..Default::default()
                };
                raw(client.bulk_change_outbound_tasks(message).await)
            }
            Self::Upload(mut parts) => {
                parts[0].idempotency_key = idempotency_key;
                raw(client.add_task_targets(parts).await)
            }
            Self::Report(id, results) => {
                let message = ReportTargetResultsRequest {
                    task_id: id.into(),
                    results,
                    idempotency_key,
                    ..Default::default()
                };
                raw(client.report_target_results(message).await)
            }
            Self::Remove(id, customers) => {
                let message = RemoveTaskTargetsRequest {
                    task_id: id.into(),
                    customer_ids: customers.iter().map(|c| (*c).to_owned()).collect(),
                    etag: String::new(),
                    idempotency_key,
                    ..Default::default()
                };
                raw(client.remove_task_targets(message).await)
            }
            Self::Delete(id) => {
                let message = DeleteOutboundTaskRequest {
                    task_id: id.into(),
                    etag: String::new(),
                    idempotency_key,
                };
                raw(client.delete_outbound_task(message).await)
            }
        }
    }
}
