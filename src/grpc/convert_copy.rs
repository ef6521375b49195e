//! Converts the message of a copy to a command.

use super::{
    convert_target::read_states,
    convert_value::{instant, take_view},
    convert_write::{Viewed, key},
};
use crate::{
    app::WriteRequest,
    domain::write::{CopyTask, TaskDraft},
    error::Violations,
    pb,
};

pub(super) fn copy(mut message: pb::CopyOutboundTaskRequest) -> Viewed<CopyTask> {
    let mut violations = Violations::new();
    let view = take_view(
        &mut message.target_limit,
        &mut message.read_mask,
        &mut violations,
    );
    let key = key("copy", &message.idempotency_key, &message);
    let pb::CopyOutboundTaskRequest {
        source_task_id,
        task_id,
        name,
        start_time,
        end_time,
        states,
        idempotency_key: _,
        target_limit: _,
        read_mask: _,
    } = message;
    let task = TaskDraft {
        task_id,
        name,
        start_time: instant("start_time", start_time, &mut violations),
        end_time: instant("end_time", end_time, &mut violations),
        ..TaskDraft::default()
    };
    let request = WriteRequest {
        command: CopyTask {
            source_task_id,
            task,
            states: read_states(states, &mut violations),
        },
        key,
        violations,
    };
    Viewed { request, view }
}
