//! The report of an import in sentences.

use chrono_tz::Tz;

use super::client::harmless;
use crate::app::import::{ImportReport, ReadAs, Repairs};

/// How a file was read. Nothing, if it was read like our own files.
pub(super) fn reading(how: &ReadAs) -> Vec<String> {
    let ReadAs {
        encoding,
        likely,
        sheet,
        delimiter,
        has_no_header,
        renamed,
        ignored,
        blank_rows,
    } = how;
    let mut lines = vec![match delimiter {
        _ if sheet.is_some() => {
            format!("read the sheet {:?}", sheet.as_deref().unwrap_or_default())
        }
        Some(delimiter) => {
            let (encoding, delimiter) = (encoding.name(), delimiter.name());
            format!("read {encoding}, with {delimiter} between the cells")
        }
        None => format!("read {}", encoding.name()),
    }];
    if let Some(likely) = likely {
        let likely = likely.name();
        lines.push(format!(
            "the text is neither UTF-8 nor GB18030; it may be {likely}, which --encoding {likely} reads"
        ));
    }
    if *has_no_header {
        lines.push("the file has no header, so its first row is a customer".to_owned());
    }
    if !renamed.is_empty() {
        let names = renamed
            .iter()
            .map(|(name, field)| format!("{name:?} as {}", harmless(field)));
        let names: Vec<String> = names.collect();
        lines.push(format!("read the names {}", names.join(", ")));
    }
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.iter().map(|name| format!("{name:?}")).collect();
        lines.push(format!("left out {}", names.join(", ")));
    }
    if *blank_rows > 0 {
        let rows = counted(*blank_rows, "blank row", "blank rows");
        lines.push(format!("left out {rows}"));
    }
    lines
}

/// What was loaded, left out and repaired.
/// `noun` is what the file has in its records: tasks, or targets of tasks that exist.
pub(super) fn loading(report: &ImportReport, noun: &str, zone: Tz) -> Vec<String> {
    let loaded = report.loaded;
    let tasks = counted(loaded.tasks, "task", "tasks");
    let targets = counted(loaded.targets, "target", "targets");
    let mut lines = vec![match noun {
        "task" => format!("loaded {tasks} with {targets}"),
        _ => format!("added {targets} to {tasks}"),
    }];
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
    } = report.repairs;
    let values = |count| counted(count, "value", "values");
    let records = |count| counted(count, "record", "records");
    for (count, line) in [
        (
            report.skipped,
            format!(
                "skipped {} with an existing task_id",
                records(report.skipped)
            ),
        ),
        (
            report.replaced,
            format!("replaced {}", counted(report.replaced, "task", "tasks")),
        ),
        (
            report.dropped_results,
            format!(
                "dropped {} of replaced tasks",
                counted(
                    report.dropped_results,
                    "result of a call",
                    "results of calls"
                )
            ),
        ),
        (
            if report.has_rejects {
                report.rejected
            } else {
                0
            },
            format!(
                "wrote {} to the file of rejects",
                counted(report.rejected, "bad record", "bad records")
            ),
        ),
        (
            report.repeated,
            format!(
                "removed {} (each is kept once per task)",
                counted(report.repeated, "repeated customer", "repeated customers")
            ),
        ),
        (
            trimmed,
            format!("removed the blanks around {}", values(trimmed)),
        ),
        (
            digits,
            format!(
                "made the full-width digits of {} half-width",
                counted(digits, "customer id", "customer ids")
            ),
        ),
        (
            separators,
            format!(
                "split {} of customer ids at other separators than ;",
                counted(separators, "cell", "cells")
            ),
        ),
        (
            short_rows,
            format!(
                "read {} without the last cells",
                counted(short_rows, "row", "rows")
            ),
        ),
        (
            numbers,
            format!("read {} as texts", counted(numbers, "number", "numbers")),
        ),
        (
            words,
            format!(
                "read {} in other words than ours",
                counted(words, "status", "statuses")
            ),
        ),
        (
            percents,
            format!(
                "read {} written as a text or with a percent sign",
                counted(percents, "percentage", "percentages")
            ),
        ),
        (
            local_times,
            format!(
                "read {} in the time zone {zone}{}",
                counted(
                    local_times,
                    "date or time without a zone",
                    "dates and times without a zone"
                ),
                match zone {
                    Tz::UTC => "; Chinese times need --time-zone Asia/Shanghai",
                    _ => "",
                }
            ),
        ),
        (
            time_numbers,
            format!(
                "read {} as times",
                counted(time_numbers, "number", "numbers")
            ),
        ),
        (
            defaults,
            format!("filled {} with defaults", values(defaults)),
        ),
    ] {
        if count > 0 {
            lines.push(line);
        }
    }
    lines
}

/// A number with its noun in the singular or plural.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
