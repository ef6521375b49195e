//! Converts the options and the report of imports.

use std::collections::HashMap;

use chrono_tz::Tz;
use strum::VariantArray;

use super::{convert_value::non_empty, status::parameters};
use crate::{
    app::import::{
        BadRecord, Delimiter, Encoding, FieldOrLabel, ImportFormat, ImportProfile, ImportReport,
        LeadColumn, LeadColumns, LeadUpload, OnConflict, ReadAs, ReadOptions, Repairs, TaskUpload,
        Uploaded,
    },
    domain::{status::TaskStatus, write::valid},
    error::{Reason, Result, Violation, Violations},
    pb,
    redaction::excerpt,
};

pub(super) fn task_upload(message: pb::ImportTaskOptions) -> Result<TaskUpload> {
    let mut violations = Violations::new();
    // Messages are taken apart completely: a new field does not compile until it is handled.
    let pb::ImportTaskOptions {
        format: number,
        table: of_table,
        field_names,
        status_words,
        ignore_unknown,
        defaults,
        root,
        time_zone,
        on_conflict,
        drop_results,
        dry_run,
        profile: vendor,
    } = message;
    let format = format(number, &mut violations);
    let reading = ReadOptions {
        profile: profile(&vendor, &mut violations),
        map: fields("options.field_names", field_names, &mut violations),
        status_map: statuses(status_words, &mut violations),
        ignore_unknown,
        defaults: fields("options.defaults", defaults, &mut violations),
        root: non_empty(root)
            .map(|root| root.split('.').map(str::to_owned).collect())
            .unwrap_or_default(),
        time_zone: zone(&time_zone, &mut violations),
        ..table(of_table, &mut violations)
    };
    let on_conflict = match pb::ImportConflict::try_from(on_conflict) {
        Ok(pb::ImportConflict::Unspecified | pb::ImportConflict::Fail) => OnConflict::Fail,
        Ok(pb::ImportConflict::Skip) => OnConflict::Skip,
        Ok(pb::ImportConflict::Replace) => OnConflict::Replace,
        Err(_) => {
            let of = ("ImportConflict", "IMPORT_CONFLICT_UNSPECIFIED");
            unknown("options.on_conflict", of, on_conflict, &mut violations);
            OnConflict::Fail
        }
    };
    valid(violations)?;
    Ok(TaskUpload {
        format,
        reading,
        on_conflict,
        drop_results,
        is_dry_run: dry_run,
    })
}

pub(super) fn lead_upload(message: pb::ImportTargetOptions) -> Result<LeadUpload> {
    let mut violations = Violations::new();
    let pb::ImportTargetOptions {
        format: number,
        table: of_table,
        task_id,
        column: customers,
        task_column,
        header,
        dry_run,
    } = message;
    let format = format(number, &mut violations);
    if matches!(format, ImportFormat::Ndjson | ImportFormat::Json) && number != 0 {
        let why = "IMPORT_FORMAT_CSV or IMPORT_FORMAT_WORKBOOK";
        let why = Reason::Malformed { form: why };
        violations.push(Violation::new("options.format", why));
    }
    if !task_id.is_empty() && !task_column.is_empty() {
        let why = Reason::Excludes {
            others: &["task_id"],
        };
        violations.push(Violation::new("options.task_column", why));
    }
    let columns = LeadColumns {
        task_id: non_empty(task_id),
        customer: column("options.column", &customers, &mut violations),
        task: column("options.task_column", &task_column, &mut violations),
        header,
    };
    let reading = table(of_table, &mut violations);
    valid(violations)?;
    Ok(LeadUpload {
        format,
        reading,
        columns,
        is_dry_run: dry_run,
    })
}

fn format(number: i32, violations: &mut Violations) -> ImportFormat {
    match pb::ImportFormat::try_from(number) {
        Ok(pb::ImportFormat::Ndjson) => ImportFormat::Ndjson,
        Ok(pb::ImportFormat::Csv) => ImportFormat::Csv,
        Ok(pb::ImportFormat::Json) => ImportFormat::Json,
        Ok(pb::ImportFormat::Workbook) => ImportFormat::Workbook,
        Ok(pb::ImportFormat::Unspecified) => {
            violations.push(Violation::new("options.format", Reason::Required));
            ImportFormat::Ndjson
        }
        Err(_) => {
            let of = ("ImportFormat", "IMPORT_FORMAT_UNSPECIFIED");
            unknown("options.format", of, number, violations);
            ImportFormat::Ndjson
        }
    }
}

fn unknown(
    field: &str,
    of: (&'static str, &'static str),
    actual: i32,
    violations: &mut Violations,
) {
    violations.push(Violation::new(field, Reason::UnknownNumber { of, actual }));
}

fn table(message: Option<pb::ImportTable>, violations: &mut Violations) -> ReadOptions {
    let pb::ImportTable {
        encoding,
        delimiter,
        sheet,
        target_separator,
    } = message.unwrap_or_default();
    ReadOptions {
        encoding: text(
            "options.table.encoding",
            &encoding,
            Encoding::parse,
            violations,
        ),
        delimiter: text(
            "options.table.delimiter",
            &delimiter,
            Delimiter::parse,
            violations,
        ),
        sheet: non_empty(sheet),
        target_separator: non_empty(target_separator),
        ..ReadOptions::default()
    }
}

/// A text that is read as something else; empty means none.
fn text<T>(
    field: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    violations: &mut Violations,
) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    match parse(text) {
        Ok(value) => Some(value),
        Err(why) => {
            let why = format!("{why}, was {}", excerpt(text));
            violations.push(Violation::of_record(field, why));
            None
        }
    }
}

fn column(field: &str, name: &str, violations: &mut Violations) -> Option<LeadColumn> {
    text(field, name, LeadColumn::parse, violations)
}

fn profile(name: &str, violations: &mut Violations) -> Option<ImportProfile> {
    let parse = |name: &str| {
        let mut known = ImportProfile::VARIANTS.iter().copied();
        known
            .find(|profile| <&str>::from(*profile) == name)
            .ok_or_else(|| {
                let known = ImportProfile::VARIANTS.iter().copied().map(<&str>::from);
                format!("must be one of {}", known.collect::<Vec<_>>().join(", "))
            })
    };
    text("options.profile", name, parse, violations)
}

fn zone(name: &str, violations: &mut Violations) -> Tz {
    let parse = |name: &str| {
        let why = |_| "must be an IANA time zone such as Asia/Shanghai".to_owned();
        name.parse::<Tz>().map_err(why)
    };
    text("options.time_zone", name, parse, violations).unwrap_or(Tz::UTC)
}

/// The fields and labels that the keys of a map name, with its values.
fn fields(
    field: &str,
    map: HashMap<String, String>,
    violations: &mut Violations,
) -> Vec<(FieldOrLabel, String)> {
    let mut pairs = Vec::with_capacity(map.len());
    for (name, value) in map {
        match FieldOrLabel::parse(&name) {
            Ok(named) => pairs.push((named, value)),
            Err(why) => violations.push(Violation::new(field, why)),
        }
    }
    // Maps have no order, and messages about the fields should have one.
    pairs.sort_by_key(|(named, _)| named.name());
    pairs
}

fn statuses(words: HashMap<String, i32>, violations: &mut Violations) -> Vec<(String, TaskStatus)> {
    let mut pairs = Vec::with_capacity(words.len());
    for (word, number) in words {
        match TaskStatus::from_number(number) {
            Some(status) => pairs.push((word, status)),
            None => {
                let of = ("TaskStatus", "TASK_STATUS_UNSPECIFIED");
                unknown("options.status_words", of, number, violations);
            }
        }
    }
    pairs.sort();
    pairs
}

pub(super) fn report(uploaded: Uploaded) -> pb::ImportReport {
    let Uploaded {
        report,
        read_as,
        bad,
    } = uploaded;
    let ImportReport {
        loaded,
        skipped,
        replaced,
        rejected,
        repeated,
        dropped_results,
        refusal,
        repairs: counts,
        not_tidied: _,  // only commands compact and vacuum
        has_rejects: _, // and only they set bad records apart
    } = report;
    pb::ImportReport {
        tasks: signed(loaded.tasks),
        targets: signed(loaded.targets),
        skipped: signed(skipped),
        replaced: signed(replaced),
        repeated_customers: signed(repeated),
        dropped_results: signed(dropped_results),
        repairs: Some(repairs(counts)),
        reading: read_as.map(reading),
        refusal: refusal.unwrap_or_default(),
        bad_records: signed(rejected),
        errors: bad.into_iter().map(error).collect(),
    }
}

/// Numbers of records are far below the maximum.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn repairs(repairs: Repairs) -> pb::ImportRepairs {
    let Repairs {
        trimmed,
        digits,
        separators,
        short_rows,
        numbers,
        words,
        percents,
        local_times,
        time_numbers,
        defaults,
    } = repairs;
    pb::ImportRepairs {
        trimmed: signed(trimmed),
        digits: signed(digits),
        separators: signed(separators),
        short_rows: signed(short_rows),
        numbers: signed(numbers),
        words: signed(words),
        percents: signed(percents),
        local_times: signed(local_times),
        time_numbers: signed(time_numbers),
        defaults: signed(defaults),
    }
}

fn reading(read_as: ReadAs) -> pb::ImportReading {
    let ReadAs {
        encoding,
        likely,
        sheet,
        delimiter,
        has_no_header,
        renamed,
        ignored,
        blank_rows,
    } = read_as;
    let renamed = renamed.into_iter().map(|(name, field)| pb::ImportRename {
        name,
        field: field.into_owned(),
    });
    pb::ImportReading {
        encoding: encoding.name().to_owned(),
        likely_encoding: likely.map(|l| l.name().to_owned()).unwrap_or_default(),
        sheet: sheet.unwrap_or_default(),
        delimiter: delimiter.map(Delimiter::name).unwrap_or_default(),
        renamed: renamed.collect(),
        ignored,
        blank_rows: signed(blank_rows),
        has_no_header,
    }
}

fn error(bad: BadRecord) -> pb::ImportError {
    let BadRecord {
        line,
        record,
        violations,
    } = bad;
    let violations = violations.into_iter().map(|v| pb::ImportViolation {
        field: v.field,
        description: v.description,
        reason: v.reason.code().name().to_owned(),
        parameters: parameters(&v.reason),
    });
    pb::ImportError {
        line: signed(line),
        record: signed(record),
        violations: violations.collect(),
    }
}
