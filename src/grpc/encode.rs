//! Encodes a task of a list straight into the bytes of the response, as prost would encode an `OutboundTask`.
//!
//! prost needs a message with texts of its own, and walks it twice, for the length and for the bytes. Here the bytes are
//! written once, and the length is put before them afterwards. A test compares both encodings of random tasks.

use prost::Message;

use super::convert_counts::target_counts;
use crate::domain::{
    fields::{TaskField, TaskFields},
    micros::Micros,
    view::TaskView,
};

use super::convert_value::own_reason;

/// The wire types (Protocol Buffers, "Encoding").
const VARINT: u8 = 0;
const LENGTH: u8 = 2;

/// Appends the requested fields of a task as the field `number` of the enclosing message.
pub(super) fn push_task(number: u8, task: &TaskView<'_>, fields: TaskFields, out: &mut Vec<u8>) {
    let has = |field| fields.contains(field);
    push_message(number, out, |out| {
        let texts = [
            (1, TaskField::TaskId, task.task_id),
            (2, TaskField::Name, task.name),
        ];
        for (number, field, text) in texts {
            if has(field) {
                push_text(number, text, out);
            }
        }
        // If the targets are not wanted, none were read, so the list is empty.
        for id in task.target {
            push_bytes(3, id.as_bytes(), out);
        }
        if has(TaskField::StartTime) {
            push_time(4, task.start_time, out);
        }
        if has(TaskField::EndTime) {
            push_time(5, task.end_time, out);
        }
        if has(TaskField::Status) {
            push_number(6, task.status as i32, out);
        }
        if has(TaskField::Progress) {
            push_number(7, task.progress.into(), out);
        }
        if has(TaskField::CreatedAt) {
            push_time(8, task.created_at, out);
        }
        if has(TaskField::UpdatedAt) {
            push_time(9, task.updated_at, out);
        }
        if has(TaskField::TargetCount) {
            push_number(10, task.target_count, out);
        }
        if has(TaskField::AllowedActions) {
            let mut actions = task.allowed_actions().peekable();
            if actions.peek().is_some() {
                push_message(11, out, |out| {
                    actions.for_each(|action| push_varint(action as u64, out));
                });
            }
        }
        if has(TaskField::StatusReason) {
            push_text(12, task.status_reason, out);
        }
        if has(TaskField::StatusChangedAt) {
            push_time(13, task.status_changed_at, out);
        }
        if has(TaskField::TargetCounts) {
            let counts = target_counts(task.target_counts);
            push_message(14, out, |out| counts.encode_raw(out));
        }
        if has(TaskField::Etag) {
            push_message(15, out, |out| task.push_etag(out));
        }
        if has(TaskField::StatusReason) {
            push_number(16, own_reason(task.status_reason), out);
        }
        if has(TaskField::Labels) {
            for (key, value) in task.labels {
                push_message(17, out, |out| {
                    push_text(1, key, out);
                    push_text(2, value, out);
                });
            }
        }
        if has(TaskField::CopiedFrom) {
            push_text(18, task.copied_from, out);
        }
        if has(TaskField::LastResultAt)
            && let Some(at) = task.last_result_at
        {
            push_time(19, at, out);
        }
    });
}

fn push_key(number: u8, wire_type: u8, out: &mut Vec<u8>) {
    push_varint(u64::from(number) << 3 | u64::from(wire_type), out);
}

fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80); // the lowest seven bits
        value >>= 7;
    }
    out.push(value as u8);
}

/// An int32 or an enum. Fields with the default value are absent.
fn push_number(number: u8, value: i32, out: &mut Vec<u8>) {
    if value != 0 {
        push_key(number, VARINT, out);
        push_varint(i64::from(value) as u64, out); // a negative one is extended to 64 bits
    }
}

fn push_text(number: u8, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        push_bytes(number, text.as_bytes(), out);
    }
}

fn push_bytes(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    push_key(number, LENGTH, out);
    push_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A `google.protobuf.Timestamp`.
fn push_time(number: u8, at: Micros, out: &mut Vec<u8>) {
    let (seconds, nanos) = at.seconds_and_nanos();
    push_message(number, out, |out| {
        if seconds != 0 {
            push_key(1, VARINT, out);
            push_varint(seconds as u64, out);
        }
        push_number(2, nanos, out);
    });
}

/// A field that `write` writes, with its length before it.
fn push_message(number: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    push_key(number, LENGTH, out);
    // One byte for the length, which is enough for most.
    out.push(0);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    // Seven bits of the length in each byte.
    let bytes = (length | 1).ilog2() as usize / 7 + 1;
    if bytes > 1 {
        let end = out.len();
        out.resize(end + bytes - 1, 0);
        out.copy_within(start..end, start + bytes - 1);
    }
    let mut rest = length;
    for byte in &mut out[start - 1..start - 1 + bytes] {
        *byte = rest as u8 | 0x80; // the lowest seven bits
        rest >>= 7;
    }
    out[start + bytes - 2] &= 0x7f;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use strum::VariantArray;

    use super::*;
    use crate::{
        app::json::{OutboundTask, TimeFormat, push_task as push_json},
        domain::{
            own_reason::OwnReason, status::TaskStatus, target::TargetCounts, task::Task,
            words::Word,
        },
        grpc::convert,
        pb,
    };

    /// A task with values of all lengths and signs, texts with quotes, controls and several bytes.
    fn random_task(random: &mut fastrand::Rng) -> Task {
        let text = |random: &mut fastrand::Rng, most| -> String {
            let length = random.usize(0..=most);
            let signs = [
                'a', '"', '\\', '\n', '\u{1}', 'é', '续', '😀', '/', '\u{7f}', '\u{2028}',
            ];
            (0..length)
                .map(|_| signs[random.usize(0..signs.len())])
                .collect()
        };
        let time = |random: &mut fastrand::Rng| {
            let whole = random.i64(-62_135_596_800..253_402_300_800) * 1_000_000;
            let micros = [0, whole, whole + random.i64(0..1_000_000)][random.usize(0..3)];
            DateTime::from_timestamp_micros(micros).expect("in chrono's range")
        };
        let number = |random: &mut fastrand::Rng| {
            [0, random.i32(0..200), random.i32(..)][random.usize(0..3)]
        };
        let targets = [0, 1, 3, 100][random.usize(0..4)];
        Task {
            task_id: text(random, 128),
            name: text(random, 256),
            target: (0..targets).map(|_| text(random, 40)).collect(),
            start_time: time(random),
            end_time: time(random),
            status: TaskStatus::VARIANTS[random.usize(0..TaskStatus::VARIANTS.len())],
            progress: random.i16(0..=100),
            created_at: time(random),
            updated_at: time(random),
            target_count: number(random),
            status_reason: match random.u8(0..3) {
                0 => OwnReason::ALL[random.usize(0..3)].sentence().to_owned(),
                _ => text(random, 200),
            },
            status_changed_at: time(random),
            target_counts: TargetCounts {
                pending: number(random),
                answered: number(random),
                no_answer: number(random),
                busy: number(random),
                failed: number(random),
                skipped: number(random),
            },
            labels: (0..random.usize(0..4))
                .map(|_| (text(random, 20), text(random, 40)))
                .collect::<BTreeMap<_, _>>()
                .into(),
            revision: [0, random.i64(0..5_000), random.i64(..)][random.usize(0..3)],
            copied_from: text(random, 20),
            last_result_at: random.bool().then(|| time(random)),
        }
    }

    #[test]
    fn tasks_are_encoded_as_by_prost_and_serde() {
        let mut random = fastrand::Rng::with_seed(14);
        for _ in 0..3_000 {
            let mut task = random_task(&mut random);
            // No field means all of them.
            let fields: TaskFields = match random.bool() {
                true => TaskFields::default(),
                false => TaskField::all().filter(|_| random.bool()).collect(),
            };
            if !fields.contains(TaskField::Target) {
                task.target.clear();
            }
            let ids: Vec<&str> = task.target.iter().map(String::as_str).collect();
            let labels: Vec<(&str, &str)> = task.labels.iter().collect();
            let view = TaskView::of(&task, &ids, &labels);

            let mut bytes = b"before".to_vec();
            push_task(2, &view, fields, &mut bytes);
            let message = pb::ListOutboundTasksResponse {
                tasks: vec![convert::task(task.clone(), fields)],
                ..Default::default()
            };
            assert_eq!(&bytes[6..], message.encode_to_vec(), "{task:?} {fields:?}");

            for format in [TimeFormat::Rfc3339, TimeFormat::Compact] {
                let mut text = Vec::new();
                push_json(&view, fields, format, &mut text);
                let expected = serde_json::to_string(&OutboundTask::new(&task, fields, format));
                let expected = expected.expect("only strings as map keys");
                assert_eq!(String::from_utf8_lossy(&text), expected);
            }
        }
    }
}
