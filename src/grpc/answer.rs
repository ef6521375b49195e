//! The response of a list, which is encoded once for all calls that get the same answer.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, skip_field},
};

use super::{convert, convert_value::timestamp};
use crate::{
    app::{AnswerForm, AnswerFormat, AnswerShape, TaskPage, WrittenAnswer},
    domain::fields::TaskFields,
    pb,
};

/// An encoded `ListOutboundTasksResponse`. `build.rs` uses this type instead of the generated one in the server.
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

/// How a page of tasks is written.
pub(super) fn form(fields: TaskFields) -> AnswerForm {
    AnswerForm {
        shape: AnswerShape {
            format: AnswerFormat::Protobuf,
            fields,
        },
        write,
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
fn write(page: TaskPage, shape: AnswerShape) -> WrittenAnswer {
    let form = form(shape.fields);
    let as_of = page.as_of;
    let mut before = convert::list_response(page, shape.fields);
    let behind = pb::ListOutboundTasksResponse {
        status_counts: std::mem::take(&mut before.status_counts),
        ..Default::default()
    };
    before.as_of = None;
    let mut bytes = Vec::with_capacity(before.encoded_len() + behind.encoded_len() + 32);
    before.encode_raw(&mut bytes);
    let start = bytes.len();
    (form.write_time)(as_of, shape, &mut bytes);
    let end = bytes.len();
    behind.encode_raw(&mut bytes);
    WrittenAnswer::new(bytes, start..end)
}
