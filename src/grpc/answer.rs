//! The responses of a list and of a request for one task, which are encoded once for all calls that get the same answer.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, skip_field},
};

use super::{convert_counts::target_sums, convert_value::timestamp, encode};
use crate::{
    app::{AnswerForm, AnswerFormat, AnswerShape, TaskPage, WrittenAnswer},
    domain::fields::TaskFields,
    error::Result,
    pb,
};

/// The number of the field `tasks` of the response.
const TASKS: u8 = 2;
/// The number of the field `task` of the response to a request for one task.
const TASK: u8 = 1;
/// Approximate bytes of a task besides its texts.
const TASK_BYTES: usize = 160;

/// An encoded `ListOutboundTasksResponse` or `GetOutboundTaskResponse`. `build.rs` uses this type instead of the generated
/// ones in the server.
#[derive(Debug, Clone, Default)]
pub struct EncodedAnswer(pub(super) Bytes);

impl Message for EncodedAnswer {
    fn encode_raw(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    /// A server decodes no response.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        bytes: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, bytes, context)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// How answers are written.
pub(super) fn form(fields: TaskFields) -> AnswerForm {
    AnswerForm {
        shape: AnswerShape {
            format: AnswerFormat::Protobuf,
            fields,
        },
        write_page: write,
        write_task: |task, shape| {
            let mut bytes = Vec::new();
            encode::push_task(TASK, task, shape.fields, &mut bytes);
            WrittenAnswer::timeless(bytes)
        },
        write_time: |as_of, _, out| {
            let message = pb::ListOutboundTasksResponse {
                as_of: Some(timestamp(as_of)),
                ..Default::default()
            };
            message.encode_raw(out);
        },
    }
}

/// Encodes the fields before the time, the time, and the fields behind it: fields that are unset take no bytes.
fn write(page: &TaskPage, shape: AnswerShape) -> Result<WrittenAnswer> {
    let mut bytes = Vec::with_capacity(page.capacity(TASK_BYTES));
    let total = pb::ListOutboundTasksResponse {
        total: page.total.unwrap_or_default(),
        ..Default::default()
    };
    total.encode_raw(&mut bytes);
    page.each(|task| encode::push_task(TASKS, task, shape.fields, &mut bytes))?;
    let token = pb::ListOutboundTasksResponse {
        next_page_token: page.next_page_token.clone(),
        ..Default::default()
    };
    token.encode_raw(&mut bytes);
    let start = bytes.len();
    (form(shape.fields).write_time)(page.as_of, shape, &mut bytes);
    let end = bytes.len();
    let counts = page
        .status_counts
        .iter()
        .map(|(status, count)| pb::TaskStatusCount {
            status: *status as i32,
            count: *count,
        });
    let attention = page.attention_counts.iter();
    let attention = attention.map(|(kind, count)| pb::TaskAttentionCount {
        attention: *kind as i32,
        count: *count,
    });
    let behind = pb::ListOutboundTasksResponse {
        status_counts: counts.collect(),
        target_sums: page.target_sums.map(target_sums),
        attention_counts: attention.collect(),
        ..Default::default()
    };
    behind.encode_raw(&mut bytes);
    Ok(WrittenAnswer::new(bytes, start..end))
}
