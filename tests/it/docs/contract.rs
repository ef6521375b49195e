//! The contract as Markdown: services, messages and enums with their comments, from the descriptor.

use std::{collections::HashMap, fmt::Write};

use outbound_tasks::pb::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::{
    EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

// Numbers of fields in descriptor.proto; a comment is found by a path of them.
const MESSAGE: i32 = 4;
const ENUM: i32 = 5;
const SERVICE: i32 = 6;
const PART: i32 = 2; // a message's field, an enum's value, a service's rpc

struct File {
    descriptor: FileDescriptorProto,
    comments: HashMap<Vec<i32>, String>,
}

impl File {
    /// The comment of what is at `path`, a line of the page for each line.
    fn comment(&self, path: &[i32]) -> &str {
        let comment = self.comments.get(path);
        comment.unwrap_or_else(|| panic!("{}: {path:?} has no comment", self.descriptor.name()))
    }

    /// The same as text of a table's cell.
    fn cell(&self, path: &[i32]) -> String {
        let words: Vec<&str> = self.comment(path).split_whitespace().collect();
        words.join(" ").replace('|', "\\|")
    }

    fn enums(&self) -> impl Iterator<Item = (i32, &EnumDescriptorProto)> {
        (0..).zip(&self.descriptor.enum_type)
    }
}

/// The files of the contract itself.
fn files() -> Vec<File> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let own = |file: &FileDescriptorProto| file.package() == "outboundtasks.v1";
    let mut files: Vec<File> = (set.file.into_iter().filter(own))
        .map(|mut descriptor| {
            let info = descriptor.source_code_info.take().unwrap();
            let comments = info.location.into_iter().filter_map(|location| {
                let comment = location.leading_comments?;
                Some((location.path, comment))
            });
            File {
                comments: comments.collect(),
                descriptor,
            }
        })
        .collect();
    // The service first.
    files.sort_by_key(|file| file.descriptor.service.is_empty());
    files
}

/// All of the contract.
pub(super) fn reference() -> String {
    let files = files();
    let mut page = String::new();
    for file in &files {
        for (at, service) in (0..).zip(&file.descriptor.service) {
            let comment = prose(file.comment(&[SERVICE, at]));
            write!(page, "## {}\n\n{comment}\n\n", service.name()).unwrap();
            for (rpc, method) in (0..).zip(&service.method) {
                let comment = prose(file.comment(&[SERVICE, at, PART, rpc]));
                let signature = signature(method);
                write!(
                    page,
                    "### {}\n\n{signature}\n\n{comment}\n\n",
                    method.name()
                )
                .unwrap();
            }
        }
    }
    page.push_str("## Messages\n\n");
    for file in &files {
        for (at, message) in (0..).zip(&file.descriptor.message_type) {
            let comment = prose(file.comment(&[MESSAGE, at]));
            write!(page, "### {}\n\n{comment}\n\n", message.name()).unwrap();
            if message.field.is_empty() {
                continue;
            }
            page.push_str("| # | field | type | meaning |\n| --- | --- | --- | --- |\n");
            for (part, field) in (0..).zip(&message.field) {
                let map = (message.nested_type.iter()).find(|nested| {
                    let options = nested.options.as_ref();
                    options.is_some_and(|o| o.map_entry())
                        && field.type_name().ends_with(&format!(".{}", nested.name()))
                });
                let kind = match map {
                    Some(entry) => {
                        let of = |at: usize| type_name(&entry.field[at]);
                        format!("map of {} to {}", of(0), of(1))
                    }
                    None => type_name(field),
                };
                let label = match field.label() {
                    Label::Repeated if map.is_none() => "repeated ",
                    _ if field.proto3_optional() => "optional ",
                    _ => "",
                };
                let (number, name) = (field.number(), field.name());
                let meaning = file.cell(&[MESSAGE, at, PART, part]);
                writeln!(page, "| {number} | `{name}` | {label}{kind} | {meaning} |").unwrap();
            }
            page.push('\n');
        }
    }
    page.push_str("## Enums\n\n");
    for file in &files {
        for (at, kind) in file.enums() {
            let comment = prose(file.comment(&[ENUM, at]));
            write!(page, "### {}\n\n{comment}\n\n", kind.name()).unwrap();
            page.push_str("| # | name | meaning |\n| --- | --- | --- |\n");
            for (part, value) in (0..).zip(&kind.value) {
                let meaning = file.cell(&[ENUM, at, PART, part]);
                let (number, name) = (value.number(), value.name());
                writeln!(page, "| {number} | `{name}` | {meaning} |").unwrap();
            }
            page.push('\n');
        }
    }
    page
}

/// The values of one enum, by the names that JSON and `ErrorInfo` give them: without the enum's prefix.
pub(super) fn names(of: &str) -> String {
    let files = files();
    let mut enums = files
        .iter()
        .flat_map(|file| file.enums().map(move |(at, kind)| (file, at, kind)));
    let (file, at, kind) = enums.find(|(_, _, kind)| kind.name() == of).unwrap();
    let prefix = kind.value[0].name().trim_end_matches("UNSPECIFIED");
    let mut table = "| name | meaning |\n| --- | --- |\n".to_owned();
    for (part, value) in (0..).zip(&kind.value).skip(1) {
        let name = value.name().strip_prefix(prefix).unwrap();
        let meaning = file.cell(&[ENUM, at, PART, part]);
        writeln!(table, "| `{name}` | {meaning} |").unwrap();
    }
    table
}

/// A comment as paragraphs; indented lines keep their form.
fn prose(comment: &str) -> String {
    let mut text = String::new();
    let mut is_indented = false;
    for line in comment.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.starts_with("  ") != is_indented {
            text.push_str(if is_indented {
                "```\n\n"
            } else {
                "\n```text\n"
            });
            is_indented = !is_indented;
        }
        text.push_str(line.strip_prefix("  ").unwrap_or(line));
        text.push('\n');
    }
    if is_indented {
        text.push_str("```\n");
    }
    text.trim().to_owned()
}

fn signature(rpc: &MethodDescriptorProto) -> String {
    let side = |name: &str, streams| {
        let stream = if streams { "stream of " } else { "" };
        format!("{stream}{}", link(name))
    };
    let request = side(rpc.input_type(), rpc.client_streaming());
    let response = side(rpc.output_type(), rpc.server_streaming());
    format!("Request: {request}. Response: {response}.")
}

fn type_name(field: &prost_types::FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => link(field.type_name()),
        Type::Int32 => "int32".to_owned(),
        Type::Int64 => "int64".to_owned(),
        Type::Double => "double".to_owned(),
        Type::String => "string".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        other => panic!("{} has the type {other:?}: name it here", field.name()),
    }
}

/// A link to a type of the contract; the name alone for one of Google's.
fn link(full_name: &str) -> String {
    match full_name.strip_prefix(".outboundtasks.v1.") {
        Some(name) => format!("[{name}](#{})", name.to_lowercase()),
        None => format!("`{}`", full_name.trim_start_matches('.')),
    }
}
