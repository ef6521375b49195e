//! The properties of the two rpcs that import; see `case`.

use outbound_tasks::{domain::key::Scope, pb};
use prost::Message;

use super::case::Case;

fn write(message: Vec<u8>, bad: Vec<u8>, fields: &'static [&'static str]) -> Case {
    Case {
        access: Scope::Write,
        message,
        bad: (bad, fields),
    }
}

/// The case of `ImportOutboundTasks`.
pub fn import_tasks() -> Case {
    use pb::import_outbound_tasks_request::Part;
    let message = |options| {
        let part = Some(Part::Options(options));
        pb::ImportOutboundTasksRequest { part }.encode_to_vec()
    };
    let pair = || [("x".to_owned(), "y".to_owned())].into();
    write(
        message(pb::ImportTaskOptions {
            format: pb::ImportFormat::Ndjson.into(),
            ..Default::default()
        }),
        message(pb::ImportTaskOptions {
            format: 9,
            table: Some(pb::ImportTable {
                encoding: "x".into(),
                delimiter: "x".into(),
                ..Default::default()
            }),
            field_names: pair(),
            status_words: [("x".to_owned(), 0)].into(),
            defaults: pair(),
            time_zone: "Mars".into(),
            on_conflict: 9,
            profile: "x".into(),
            ..Default::default()
        }),
        &[
            "options.format",
            "options.profile",
            "options.field_names",
            "options.status_words",
            "options.defaults",
            "options.time_zone",
            "options.table.encoding",
            "options.table.delimiter",
            "options.on_conflict",
        ],
    )
}

/// The case of `ImportTaskTargets`.
pub fn import_targets() -> Case {
    use pb::import_task_targets_request::Part;
    let message = |options| {
        let part = Some(Part::Options(options));
        pb::ImportTaskTargetsRequest { part }.encode_to_vec()
    };
    write(
        message(pb::ImportTargetOptions {
            format: pb::ImportFormat::Csv.into(),
            task_id: "theirs".to_owned(),
            ..Default::default()
        }),
        message(pb::ImportTargetOptions {
            format: pb::ImportFormat::Ndjson.into(),
            task_id: "theirs".to_owned(),
            task_column: "x".into(),
            column: "0".into(),
            ..Default::default()
        }),
        &["options.format", "options.task_column", "options.column"],
    )
}
