//! The parameters of an import, and how its file is to be read.

use std::path::PathBuf;

use chrono_tz::Tz;

use super::{
    delimiter::Delimiter,
    encoding::Encoding,
    field::{Field, FieldOrLabel},
    format::ImportFormat,
    profile::Profile,
    source::Source,
};
use crate::{
    domain::{status::TaskStatus, words::Word},
    error::Reason,
};

/// What to do with a record if its task id exists already, as a task or as an earlier record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Treat the record as bad.
    #[default]
    Fail,
    /// Leave the record out.
    Skip,
    /// Replace the task, including its targets.
    Replace,
}

/// The parameters of an import.
#[derive(Debug, Clone)]
pub struct Import {
    /// The input.
    pub source: Source,
    /// The format of the input.
    pub format: ImportFormat,
    /// How to read the input.
    pub reading: ReadOptions,
    /// What to do with records if their id exists already.
    pub on_conflict: OnConflict,
    /// Whether tasks that are replaced may lose results of calls that their new records do not have, or have older
    /// ones of.
    pub drop_results: bool,
    /// Whether to do all of the work and then to undo it, for its report.
    pub is_dry_run: bool,
    /// The file for bad records; without it, one bad record undoes the whole import.
    pub rejects: Option<PathBuf>,
}

impl Import {
    /// An import with the defaults and the format according to the file name.
    pub fn new(source: Source) -> Self {
        Self {
            format: source.format(None),
            source,
            reading: ReadOptions::default(),
            on_conflict: OnConflict::default(),
            drop_results: false,
            is_dry_run: false,
            rejects: None,
        }
    }
}

/// How to read a file, as far as the file does not say so itself. A CSV file with the header of our own exports is read
/// as it is: only the time zone of bare dates applies to it.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The vendor whose export the file is. The other options are stronger than what the profile says.
    pub profile: Option<Profile>,
    /// The encoding; detected if `None`. A byte order mark wins.
    pub encoding: Option<Encoding>,
    /// The delimiter of cells in CSV; detected from the header if `None`.
    pub delimiter: Option<Delimiter>,
    /// The sheet of a workbook; the first if `None`.
    pub sheet: Option<String>,
    /// Fields and labels with the headers or JSON names that stand for them. A name with dots leads into objects of a JSON
    /// record.
    pub map: Vec<(FieldOrLabel, String)>,
    /// Words with the statuses that they stand for.
    pub status_map: Vec<(String, TaskStatus)>,
    /// Leave columns and JSON names out that are no fields, instead of refusing them.
    pub ignore_unknown: bool,
    /// Values of fields and labels that a record does not have.
    pub defaults: Vec<(FieldOrLabel, String)>,
    /// The names that lead to the list of tasks in a JSON document; `tasks` or the document itself if empty.
    pub root: Vec<String>,
    /// The zone of bare dates and of times without a zone.
    pub time_zone: Tz,
    /// Separates customer ids in a cell, instead of the usual separators.
    pub target_separator: Option<String>,
}

impl ReadOptions {
    /// Reads `name=任务名称,start_time=开始时间`. A part without `=` belongs to the one before, so that headers may have
    /// commas. A field may be given once.
    pub fn parse_map(text: &str) -> Result<Vec<(FieldOrLabel, String)>, String> {
        let map = parts(text).map(field_and_text);
        let map: Vec<(FieldOrLabel, String)> = map.collect::<Result<_, _>>()?;
        match repeated(map.iter().map(|(field, _)| field)) {
            Some(field) => Err(format!("{} is given twice", field.name())),
            None => Ok(map),
        }
    }

    /// Reads `进行中=running,待定=pending`. A word may be given once.
    pub fn parse_status_map(text: &str) -> Result<Vec<(String, TaskStatus)>, String> {
        let statuses = parts(text).map(|part| -> Result<(String, TaskStatus), String> {
            let (word, status) = part
                .rsplit_once('=')
                .ok_or_else(|| format!("{part:?} must be WORD=STATUS"))?;
            let status = TaskStatus::parse(status.trim())
                .map_err(|reason| format!("the status {status:?} {reason}"))?;
            Ok((word.trim().to_owned(), status))
        });
        let statuses: Vec<(String, TaskStatus)> = statuses.collect::<Result<_, _>>()?;
        match repeated(statuses.iter().map(|(word, _)| word)) {
            Some(word) => Err(format!("{word:?} is given twice")),
            None => Ok(statuses),
        }
    }

    /// The error if several flags give the same field, or the same word.
    pub fn check_flags(&self) -> Result<(), String> {
        let field = repeated(self.map.iter().map(|(field, _)| field));
        if let Some(field) = field {
            return Err(format!("--map gives {} twice", field.name()));
        }
        if let Some(word) = repeated(self.status_map.iter().map(|(word, _)| word)) {
            return Err(format!("--status-map gives {word:?} twice"));
        }
        match repeated(self.defaults.iter().map(|(field, _)| field)) {
            Some(field) => Err(format!("--default gives {} twice", field.name())),
            None => Ok(()),
        }
    }

    /// Reads `start_time=2026-12-01`. A default is one value, which may have commas.
    pub fn parse_default(text: &str) -> Result<(FieldOrLabel, String), String> {
        field_and_text(text.to_owned())
    }
}

/// The first item that comes again.
fn repeated<T: PartialEq>(mut items: impl Iterator<Item = T> + Clone) -> Option<T> {
    while let Some(item) = items.next() {
        if items.clone().any(|other| other == item) {
            return Some(item);
        }
    }
    None
}

/// The parts of a list that is separated by commas, each with `=`.
fn parts(text: &str) -> impl Iterator<Item = String> {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',') {
        match parts.last_mut() {
            Some(last) if !part.contains('=') => {
                last.push(',');
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
    }
    parts.into_iter()
}

fn field_and_text(part: String) -> Result<(FieldOrLabel, String), String> {
    let (name, text) = part
        .split_once('=')
        .ok_or_else(|| format!("{part:?} must be FIELD=TEXT"))?;
    let field = FieldOrLabel::parse(name.trim()).map_err(|why| match why {
        Reason::UnknownField { .. } => {
            let names: Vec<&str> = Field::all().map(Field::name).collect();
            format!("{name:?} must be one of {}, labels.KEY", names.join(", "))
        }
        why => format!("{name:?} {why}"),
    })?;
    Ok((field, text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_lists_whose_texts_may_have_commas() {
        let read = |text| {
            ReadOptions::parse_map(text).map(|map| {
                let map = map
                    .iter()
                    .map(|(field, text)| format!("{}:{text}", field.name()));
                map.collect::<Vec<_>>()
            })
        };
        assert_eq!(
            read("name=任务名称, start_time = 开始, 时间"),
            Ok(vec!["name:任务名称".into(), "start_time:开始, 时间".into()])
        );
        assert_eq!(
            read("labels.a/b=地区,labels.c=x=y"),
            Ok(vec!["labels.a/b:地区".into(), "labels.c:x=y".into()])
        );
        for text in [
            "",
            "name",
            "colour=x",
            "任务名称=name",
            "name=A,name=B",
            "labels.=x",
            "labels.A=x",
            "labels.a=x,labels.a=y",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let statuses = ReadOptions::parse_status_map("a=b=running,待定=pending");
        assert_eq!(
            statuses,
            Ok(vec![
                ("a=b".into(), TaskStatus::Running),
                ("待定".into(), TaskStatus::Pending)
            ])
        );
        assert!(ReadOptions::parse_status_map("x=asleep").is_err());
        assert!(ReadOptions::parse_status_map("x=running,x=paused").is_err());
    }
}
