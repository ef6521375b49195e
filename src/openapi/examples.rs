//! An example of a request for each rpc, which a test sends to the service.

use serde_json::{Value, json};

/// The example of an rpc; `None` for an rpc that has none yet.
pub(super) fn of(rpc: &str) -> Option<Value> {
    let example = match rpc {
        "ListOutboundTasks" => {
            json!({"limit": 20, "status": ["TASK_STATUS_RUNNING", "TASK_STATUS_PAUSED"],
            "order_by": "TASK_ORDER_BY_START_TIME", "order": "SORT_ORDER_DESC", "read_mask": "task_id,name,status,progress",
            "date_range": {"start": "2027-03-01T00:00:00Z", "end": "2027-04-01T00:00:00Z"}})
        }
        "GetOutboundTask" => json!({"task_id": "march-1", "target_limit": 10}),
        "BatchGetOutboundTasks" => json!({"task_ids": ["march-1", "march-2"]}),
        "CreateOutboundTask" => json!({"task": {"task_id": "march-3", "name": "Survey, March",
            "target": ["c-3001", "c-3002"], "start_time": "2027-03-08T09:00:00+08:00",
            "end_time": "2027-03-08T18:00:00+08:00"}, "idempotency_key": "crm-4711"}),
        "BatchCreateOutboundTasks" => json!({"tasks": [
            {"name": "Survey, north", "target": ["c-3001"], "start_time": "2027-03-08T01:00:00Z", "end_time": "2027-03-08T10:00:00Z"},
            {"name": "Survey, south", "target": ["c-3002"], "start_time": "2027-03-08T01:00:00Z", "end_time": "2027-03-08T10:00:00Z"},
        ]}),
        "CopyOutboundTask" => {
            json!({"source_task_id": "march-1", "name": "New card, those not reached",
            "start_time": "2027-03-09T09:00:00+08:00", "end_time": "2027-03-09T18:00:00+08:00",
            "states": ["TARGET_STATE_NO_ANSWER", "TARGET_STATE_BUSY"], "idempotency_key": "crm-4712"})
        }
        "UpdateOutboundTask" => {
            json!({"task": {"task_id": "march-1", "name": "New card, second wave"}, "update_mask": "name"})
        }
        "DeleteOutboundTask" => json!({"task_id": "march-1"}),
        "StartOutboundTask" => json!({"task_id": "march-1", "reason": "all lines are free"}),
        "PauseOutboundTask" => json!({"task_id": "march-1", "reason": "lunch"}),
        "ResumeOutboundTask" => json!({"task_id": "march-1"}),
        "StopOutboundTask" => json!({"task_id": "march-1", "reason": "the offer has ended"}),
        "CompleteOutboundTask" => json!({"task_id": "march-1"}),
        "FailOutboundTask" => json!({"task_id": "march-1", "reason": "the dialler is down"}),
        "BulkChangeOutboundTasks" => {
            json!({"action": "TASK_ACTION_STOP", "filter": {"name": "March"}, "dry_run": true})
        }
        "ListTaskTargets" => {
            json!({"task_id": "march-1", "states": ["TARGET_STATE_BUSY"], "limit": 100})
        }
        "RemoveTaskTargets" => json!({"task_id": "march-1", "customer_ids": ["c-1001"]}),
        "ReportTargetResults" => json!({"task_id": "march-1", "results": [{"customer_id": "c-1001",
            "state": "TARGET_STATE_ANSWERED", "attempt": 1, "time": "2027-03-02T02:00:00Z"}]}),
        "ListTaskEvents" => json!({"task_id": "march-1", "order": "SORT_ORDER_DESC"}),
        "GetTaskProgress" => json!({"task_id": "march-1"}),
        "GetQuota" => json!({}),
        "CreateKey" => {
            json!({"name": "dialler", "scopes": ["KEY_SCOPE_READ", "KEY_SCOPE_WRITE"], "expires_in": "7776000s"})
        }
        "ListKeys" => json!({"limit": 20}),
        "RevokeKey" => json!({"key_id": "demo.k3w8x2v9"}),
        _ => return None,
    };
    Some(example)
}
