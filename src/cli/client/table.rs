//! Renders tasks as a table that fits the terminal.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use console::{Term, measure_text_width, truncate_str};

use super::record::Record;
use crate::domain::{
    fields::{FieldValue, TaskField},
    target::TargetState,
    words::Word,
};

/// The default columns.
const COLUMNS: [TaskField; 8] = [
    TaskField::TaskId,
    TaskField::Name,
    TaskField::Status,
    TaskField::Progress,
    TaskField::StartTime,
    TaskField::EndTime,
    TaskField::TargetCount,
    TaskField::UpdatedAt,
];
/// Text columns are narrowed to this width before whole columns are left out.
/// Enough for the beginning of a name, which is what people recognize it by.
const NARROW: usize = 16;
const GAP: &str = "  ";

/// The layout of a table.
pub(in crate::cli) struct Table {
    columns: Vec<TaskField>,
    zone: Tz,
    /// The width of the terminal; `None` if standard output is not a terminal.
    width: Option<usize>,
    /// The number of columns that have fitted so far; the columns after them are left out.
    /// A column that did not fit once stays out on later pages too.
    shown: usize,
}

impl Table {
    /// A table of these fields, or of the default ones, for standard output.
    pub(in crate::cli) fn new(fields: &[TaskField], zone: Tz) -> Self {
        let size = Term::stdout().size_checked();
        let columns = match fields {
            [] => COLUMNS.to_vec(),
            fields => fields.to_vec(),
        };
        Self {
            shown: columns.len(),
            columns,
            zone,
            width: size.map(|(_, columns)| columns.into()),
        }
    }

    /// The fields that the table requests.
    pub(in crate::cli) fn columns(&self) -> &[TaskField] {
        &self.columns
    }

    /// The fields that did not fit.
    pub(in crate::cli) fn left_out(&self) -> &[TaskField] {
        &self.columns[self.shown..]
    }

    /// A header line with the names of the fields, and a line for each task.
    pub(in crate::cli) fn lay_out(&mut self, tasks: &[Record<'_>]) -> String {
        let names = self.columns.iter().map(|field| field.word().to_owned());
        let mut rows: Vec<Vec<String>> = vec![names.collect()];
        for task in tasks {
            let cells = self
                .columns
                .iter()
                .map(|field| task.cell(*field, self.zone));
            rows.push(cells.collect());
        }
        // All values of a column are of one kind.
        let is = |kind: fn(&FieldValue<'_>) -> bool| -> Vec<bool> {
            let first = |field| tasks.first().and_then(|task| task.value(field));
            let columns = self.columns.iter();
            columns
                .map(|field| first(*field).is_some_and(kind))
                .collect()
        };
        let (texts, numbers) = (is(is_text), is(is_number));
        let widths = self.fit(&rows, &texts);
        self.shown = self.shown.min(widths.len());
        let mut text = String::new();
        for row in &rows {
            let mut line = String::new();
            for ((is_number, cell), width) in numbers.iter().zip(row).zip(&widths) {
                // Widths count columns of the terminal: a Chinese character takes two.
                let cell = truncate_str(cell, *width, "…");
                let pad = " ".repeat(width - measure_text_width(&cell).min(*width));
                if !line.is_empty() {
                    line += GAP;
                }
                match is_number {
                    true => line.extend([&*pad, &*cell]),
                    false => line.extend([&*cell, &*pad]),
                }
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// The widths of the columns that fit: text columns are narrowed first, then the last columns are left out.
    /// `texts` says which columns can be narrowed.
    fn fit(&self, rows: &[Vec<String>], texts: &[bool]) -> Vec<usize> {
        let of_column = |at: usize| rows.iter().map(move |row| measure_text_width(&row[at]));
        let whole = |at| of_column(at).max().unwrap_or_default();
        let mut wanted: Vec<usize> = (0..self.columns.len()).map(whole).collect();
        let Some(room) = self.width else {
            return wanted;
        };
        let mut widths: Vec<usize> = wanted
            .iter()
            .zip(texts)
            .map(|(width, is_text)| match is_text {
                true => NARROW.min(*width),
                false => *width,
            })
            .collect();
        let needed =
            |widths: &[usize]| widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
        // The first column, the id, always stays: a line without it says nothing.
        while widths.len() > 1 && needed(&widths) > room {
            widths.pop();
            wanted.pop();
        }
        // The remaining space goes to text columns that need it, from left to right.
        let mut spare = room.saturating_sub(needed(&widths));
        for (width, wanted) in widths.iter_mut().zip(wanted) {
            let more = spare.min(wanted - *width);
            *width += more;
            spare -= more;
        }
        widths
    }
}

/// Whether a truncated value is still useful; a truncated id is not.
fn is_text(value: &FieldValue<'_>) -> bool {
    matches!(
        value,
        FieldValue::Text(_)
            | FieldValue::Words(_)
            | FieldValue::Ids(_)
            | FieldValue::Counts(_)
            | FieldValue::Labels(_)
    )
}

fn is_number(value: &FieldValue<'_>) -> bool {
    matches!(value, FieldValue::Number(_) | FieldValue::Percent(_))
}

impl Record<'_> {
    /// The text of one field; empty if the field was not requested.
    pub(in crate::cli) fn cell(&self, field: TaskField, zone: Tz) -> String {
        match self.value(field) {
            None | Some(FieldValue::Absent) => String::new(),
            Some(FieldValue::Word(word)) => harmless(word),
            Some(FieldValue::Words(words)) => words.join(", "),
            Some(FieldValue::Text(text)) => harmless(text),
            Some(FieldValue::Ids(ids)) => harmless(&ids.join(", ")),
            Some(FieldValue::Time(at)) => shown_time(*at, zone),
            Some(FieldValue::Labels(labels)) => {
                let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
                harmless(&labels.collect::<Vec<_>>().join(", "))
            }
            Some(FieldValue::Number(number)) => number.to_string(),
            Some(FieldValue::Percent(number)) => format!("{number}%"),
            Some(FieldValue::Counts(counts)) => {
                let states = TargetState::all().map(|state| (counts.of(state), state.word()));
                let there = states.filter(|(count, _)| *count > 0);
                there
                    .map(|(count, word)| format!("{count} {word}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        }
    }
}

/// A time to the second, or to the minute if its seconds are zero.
fn shown_time(at: DateTime<Utc>, zone: Tz) -> String {
    let at = at.with_timezone(&zone);
    let text = at.format("%Y-%m-%d %H:%M:%S").to_string();
    text.strip_suffix(":00").map(str::to_owned).unwrap_or(text)
}

/// Makes foreign text safe for a terminal, on one line: control and invisible characters are escaped.
pub(in crate::cli) fn harmless(text: &str) -> String {
    // `escape_debug` would escape these harmless characters too.
    const UNESCAPED: [char; 4] = ['\'', '"', '\\', '\u{3000}'];
    let mut harmless = String::with_capacity(text.len());
    for part in text.split_inclusive(UNESCAPED) {
        let kept = part.chars().next_back().filter(|c| UNESCAPED.contains(c));
        let plain = part.strip_suffix(UNESCAPED).unwrap_or(part);
        harmless.extend(plain.escape_debug());
        harmless.extend(kept);
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            harmless("\u{1b}[2J\u{9b}31m\r\n\t\0"),
            "\\u{1b}[2J\\u{9b}31m\\r\\n\\t\\0"
        );
        assert_eq!(
            harmless("a\u{202e}b\u{2066}\u{2028}"),
            "a\\u{202e}b\\u{2066}\\u{2028}"
        );
        for plain in [
            "外呼任务　春季",
            "O'Neill \"x\" \\",
            "Straße é e\u{301} 📞",
            "",
            "'",
        ] {
            assert_eq!(harmless(plain), plain);
        }
    }

    fn laid_out(width: usize, name: &str) -> (Vec<String>, usize) {
        let mut table = Table {
            columns: COLUMNS.to_vec(),
            zone: Tz::UTC,
            width: Some(width),
            shown: COLUMNS.len(),
        };
        let at = Some(prost_types::Timestamp {
            seconds: 1_677_664_800,
            nanos: 0,
        });
        let task = crate::pb::OutboundTask {
            task_id: "12345".to_owned(),
            name: name.to_owned(),
            start_time: at,
            end_time: at,
            status: 2, // running
            progress: 70,
            updated_at: at,
            target_count: 1,
            ..Default::default()
        };
        let fields = COLUMNS.into_iter().collect();
        let task = Record::new(&task, fields).expect("a task of this version");
        let text = table.lay_out(&[task]);
        (
            text.lines().map(str::to_owned).collect(),
            table.left_out().len(),
        )
    }

    #[test]
    fn it_is_as_wide_as_the_terminal() {
        let name = "春季信用卡回访春季信用卡回访春季信用卡回访春季信用卡回访";
        for width in [1, 20, 40, 60, 80, 100, 120, 200] {
            let (lines, left_out) = laid_out(width, name);
            for line in &lines {
                let is_alone = left_out == COLUMNS.len() - 1;
                assert!(
                    measure_text_width(line) <= width || is_alone,
                    "{width}: {line}"
                );
            }
            assert!(lines[1].starts_with("12345"), "{lines:?}");
        }
        let (lines, left_out) = laid_out(200, name);
        assert_eq!(left_out, 0);
        assert_eq!(
            lines[1],
            format!(
                "12345    {name}  running       70%  2023-03-01 10:00  2023-03-01 10:00             1  2023-03-01 10:00"
            )
        );
        // A wide character is shown completely or not at all, and the next column stays aligned.
        let (lines, _) = laid_out(50, name);
        assert!(
            lines[1].contains("…  running") || lines[1].contains("…   running"),
            "{lines:?}"
        );
    }
}
