//! For every rpc: a valid message, an invalid one, and the scope that it needs.

use outbound_tasks::{
    domain::key::Scope,
    pb::{self, TargetState, TaskAction},
};
use prost::Message;

use super::{
    case_import::{import_targets, import_tasks},
    client::{copy_of, new_task, part, result},
};

/// The properties of an rpc that tests use.
pub struct Case {
    pub access: Scope,
    /// A message about the task `theirs`, as bytes.
    pub message: Vec<u8>,
    /// A message with as many violations as possible, and their fields.
    pub bad: (Vec<u8>, &'static [&'static str]),
}

const LONG: usize = 129;

/// The six messages of the actions have the same fields with the same numbers.
fn act() -> Case {
    let message = |task_id: String, reason: String, idempotency_key: &str| {
        let message = pb::StartOutboundTaskRequest {
            task_id,
            reason,
            etag: String::new(),
            idempotency_key: idempotency_key.into(),
            ..Default::default()
        };
        message.encode_to_vec()
    };
    Case {
        access: Scope::Write,
        message: message("theirs".into(), String::new(), "k"),
        bad: (
            message("x".repeat(LONG), "x".repeat(1025), "\0"),
            &["idempotency_key", "task_id", "reason"],
        ),
    }
}

pub fn case(rpc: &str) -> Case {
    let read = |message: Vec<u8>, bad: Vec<u8>, fields: &'static [&'static str]| Case {
        access: Scope::Read,
        message,
        bad: (bad, fields),
    };
    let write = |message: Vec<u8>, bad: Vec<u8>, fields: &'static [&'static str]| Case {
        access: Scope::Write,
        message,
        bad: (bad, fields),
    };
    let (theirs, k, nul) = (
        || "theirs".to_owned(),
        || "k".to_owned(),
        || "\0".to_owned(),
    );
    match rpc {
        "ListOutboundTasks" => read(
            Vec::new(),
            pb::ListOutboundTasksRequest {
                page: -1,
                limit: 1001,
                status: vec![0],
                order_by: 8,
                order: 3,
                date_field: 6,
                target_limit: Some(101),
                attention: vec![0],
                stalled_after: Some(prost_types::Duration::default()),
                ..Default::default()
            }
            .encode_to_vec(),
            &[
                "status[0]",
                "date_field",
                "attention[0]",
                "order_by",
                "order",
                "limit",
                "target_limit",
                "page",
                "stalled_after",
            ],
        ),
        // It has no fields, so nothing but the message itself can be wrong.
        "GetQuota" => read(Vec::new(), vec![0xff], &["message"]),
        "GetOutboundTask" => read(
            pb::GetOutboundTaskRequest {
                task_id: theirs(),
                target_limit: None,
                read_mask: None,
            }
            .encode_to_vec(),
            pb::GetOutboundTaskRequest {
                task_id: nul(),
                target_limit: Some(-1),
                read_mask: None,
            }
            .encode_to_vec(),
            &["task_id", "target_limit"],
        ),
        "BatchGetOutboundTasks" => read(
            pb::BatchGetOutboundTasksRequest {
                task_ids: vec![theirs()],
                target_limit: None,
                read_mask: None,
            }
            .encode_to_vec(),
            pb::BatchGetOutboundTasksRequest {
                task_ids: vec![nul()],
                target_limit: Some(101),
                read_mask: None,
            }
            .encode_to_vec(),
            &["task_ids[0]", "target_limit"],
        ),
        "CreateOutboundTask" => write(
            pb::CreateOutboundTaskRequest {
                task: Some(new_task("theirs", &[])),
                idempotency_key: k(),
                ..Default::default()
            }
            .encode_to_vec(),
            pb::CreateOutboundTaskRequest {
                task: None,
                idempotency_key: nul(),
                ..Default::default()
            }
            .encode_to_vec(),
            &[
                "idempotency_key",
                "task.name",
                "task.start_time",
                "task.end_time",
            ],
        ),
        "BatchCreateOutboundTasks" => write(
            pb::BatchCreateOutboundTasksRequest {
                tasks: vec![new_task("theirs2", &[])],
                idempotency_key: k(),
                ..Default::default()
            }
            .encode_to_vec(),
            pb::BatchCreateOutboundTasksRequest {
                tasks: vec![],
                idempotency_key: nul(),
                ..Default::default()
            }
            .encode_to_vec(),
            &["idempotency_key", "tasks"],
        ),
        "CopyOutboundTask" => write(
            pb::CopyOutboundTaskRequest {
                idempotency_key: k(),
                ..copy_of("theirs", "")
            }
            .encode_to_vec(),
            pb::CopyOutboundTaskRequest {
                source_task_id: nul(),
                task_id: nul(),
                states: vec![0],
                idempotency_key: nul(),
                ..Default::default()
            }
            .encode_to_vec(),
            &[
                "idempotency_key",
                "states[0]",
                "source_task_id",
                "task_id",
                "name",
                "start_time",
                "end_time",
            ],
        ),
        "UpdateOutboundTask" => {
            let task = |task_id, name: &str| {
                Some(pb::OutboundTask {
                    task_id,
                    name: name.into(),
                    ..Default::default()
                })
            };
            write(
                pb::UpdateOutboundTaskRequest {
                    task: task(theirs(), "mine"),
                    update_mask: None,
                    idempotency_key: k(),
                    ..Default::default()
                }
                .encode_to_vec(),
                pb::UpdateOutboundTaskRequest {
                    task: task(nul(), "\0"),
                    update_mask: None,
                    idempotency_key: nul(),
                    ..Default::default()
                }
                .encode_to_vec(),
                &["idempotency_key", "task.task_id", "task.name"],
            )
        }
        "DeleteOutboundTask" => write(
            pb::DeleteOutboundTaskRequest {
                task_id: theirs(),
                etag: String::new(),
                idempotency_key: k(),
            }
            .encode_to_vec(),
            pb::DeleteOutboundTaskRequest {
                task_id: nul(),
                etag: String::new(),
                idempotency_key: nul(),
            }
            .encode_to_vec(),
            &["idempotency_key", "task_id"],
        ),
        "StartOutboundTask"
        | "PauseOutboundTask"
        | "ResumeOutboundTask"
        | "StopOutboundTask"
        | "CompleteOutboundTask"
        | "FailOutboundTask" => act(),
        "BulkChangeOutboundTasks" => write(
            pb::BulkChangeOutboundTasksRequest {
                action: TaskAction::Stop as i32,
                expected_count: Some(0),
                ..Default::default()
            }
            .encode_to_vec(),
            pb::BulkChangeOutboundTasksRequest {
                reason: "x".repeat(1025),
                idempotency_key: nul(),
                ..Default::default()
            }
            .encode_to_vec(),
            &["idempotency_key", "action", "reason", "expected_count"],
        ),
        "ListTaskTargets" => read(
            pb::ListTaskTargetsRequest {
                task_id: theirs(),
                ..Default::default()
            }
            .encode_to_vec(),
            pb::ListTaskTargetsRequest {
                task_id: nul(),
                states: vec![0],
                limit: -1,
                page_token: "x".into(),
                ..Default::default()
            }
            .encode_to_vec(),
            &["states[0]", "task_id", "limit", "page_token"],
        ),
        "AddTaskTargets" => write(
            pb::AddTaskTargetsRequest {
                idempotency_key: k(),
                ..part("theirs", &["c7"])
            }
            .encode_to_vec(),
            pb::AddTaskTargetsRequest {
                idempotency_key: nul(),
                ..part("\0", &[""])
            }
            .encode_to_vec(),
            &["task_id", "idempotency_key", "customer_ids[0]"],
        ),
        "ImportOutboundTasks" => import_tasks(),
        "ImportTaskTargets" => import_targets(),
        "RemoveTaskTargets" => write(
            pb::RemoveTaskTargetsRequest {
                task_id: theirs(),
                customer_ids: vec!["c1".into()],
                idempotency_key: k(),
                ..Default::default()
            }
            .encode_to_vec(),
            pb::RemoveTaskTargetsRequest {
                task_id: nul(),
                customer_ids: vec![nul()],
                idempotency_key: nul(),
                ..Default::default()
            }
            .encode_to_vec(),
            &["idempotency_key", "task_id", "customer_ids[0]"],
        ),
        "ReportTargetResults" => {
            let results = |customer| vec![result(customer, TargetState::Busy, 1, 5)];
            write(
                pb::ReportTargetResultsRequest {
                    task_id: theirs(),
                    results: results("c1"),
                    idempotency_key: k(),
                    ..Default::default()
                }
                .encode_to_vec(),
                pb::ReportTargetResultsRequest {
                    task_id: nul(),
                    results: results(""),
                    idempotency_key: nul(),
                    ..Default::default()
                }
                .encode_to_vec(),
                &["idempotency_key", "task_id", "results[0].customer_id"],
            )
        }
        "ListTaskEvents" => read(
            pb::ListTaskEventsRequest {
                task_id: theirs(),
                ..Default::default()
            }
            .encode_to_vec(),
            pb::ListTaskEventsRequest {
                task_id: nul(),
                limit: -1,
                page_token: "x".into(),
                order: 3,
            }
            .encode_to_vec(),
            &["order", "task_id", "limit", "page_token"],
        ),
        "GetTaskProgress" => read(
            pb::GetTaskProgressRequest { task_id: theirs() }.encode_to_vec(),
            pb::GetTaskProgressRequest { task_id: nul() }.encode_to_vec(),
            &["task_id"],
        ),
        "ExportOutboundTasks" => read(
            Vec::new(),
            pb::ExportOutboundTasksRequest {
                filter: Some(pb::TaskFilter {
                    status: vec![0],
                    task_ids: vec![nul()],
                    ..Default::default()
                }),
                order_by: 8,
                order: 3,
                target_limit: Some(-1),
            }
            .encode_to_vec(),
            &[
                "filter.status[0]",
                "filter.task_ids[0]",
                "order_by",
                "order",
                "target_limit",
            ],
        ),
        "WatchOutboundTasks" => read(
            Vec::new(),
            pb::WatchOutboundTasksRequest {
                filter: Some(pb::TaskFilter {
                    status: vec![0],
                    task_ids: vec![nul()],
                    ..Default::default()
                }),
                resume_token: "x".into(),
                target_limit: Some(-1),
                ..Default::default()
            }
            .encode_to_vec(),
            &[
                "filter.status[0]",
                "filter.task_ids[0]",
                "target_limit",
                "resume_token",
            ],
        ),
        rpc => panic!("nothing is known of the rpc {rpc}"),
    }
}
