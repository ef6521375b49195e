//! What all parts of the document are made with.

use std::collections::BTreeMap;

use prost_types::FileDescriptorProto;
use serde_json::{Map, Value, json};

/// The comments of a file by the paths of what they stand before (`SourceCodeInfo.Location.path`).
pub(super) struct Comments(BTreeMap<Vec<i32>, String>);

impl Comments {
    pub(super) fn of(file: &FileDescriptorProto) -> Self {
        let info = file.source_code_info.iter();
        let locations = info.flat_map(|info| &info.location);
        let comments = locations.filter_map(|location| {
            let text = location.leading_comments.as_deref()?;
            let lines: Vec<&str> = text
                .lines()
                .map(|l| l.strip_prefix(' ').unwrap_or(l))
                .collect();
            Some((location.path.clone(), lines.join("\n").trim().to_owned()))
        });
        Self(comments.collect())
    }

    /// The comment at a path; empty if there is none.
    pub(super) fn at(&self, path: &[i32]) -> &str {
        self.0.get(path).map_or("", String::as_str)
    }
}

/// A reference to a component.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// An object of JSON from its members.
pub(super) fn object<K: Into<String>>(
    members: impl IntoIterator<Item = (K, Value)>,
) -> Map<String, Value> {
    let members = members.into_iter();
    members.map(|(name, value)| (name.into(), value)).collect()
}

/// The first sentence of a comment.
pub(super) fn summary(comment: &str) -> String {
    let line = comment.replace('\n', " ");
    let end = line.find(". ").or_else(|| line.find(": "));
    let first = end.map_or(&*line, |end| &line[..end]);
    first.trim_end_matches('.').to_owned()
}
