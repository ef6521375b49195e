//! The columns of a table: which field each one holds.

use std::borrow::Cow;

use super::{
    field::{Field, FieldOrLabel, label_name, quoted},
    label_values::column_key,
    option_names::Advised,
    reading::{Named, Reading},
    spoilt::{trimmed, trimmed_id},
};
use crate::{
    app::cell::unguarded,
    domain::{fields::TaskField, text::is_blank},
    error::{Fault, Listed, Reason, Violation, Violations},
};

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    Field(Field),
    /// The value of the label with this key.
    Label(String),
    /// A column that `--ignore-unknown` leaves out.
    Ignored,
    /// A column without a header, which must be empty.
    Unnamed,
}

/// The columns of a table in their order.
#[derive(Debug)]
pub(super) struct Columns {
    list: Vec<Column>,
    /// Headers that differ from the name of their field, for the messages.
    labels: Vec<(Field, String)>,
    own: Option<Own>,
}

/// A table that is an export of ours, to be read as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// CSV that nobody has changed, whose cells are guarded against formulas.
    Csv,
    /// A sheet of a workbook, which may be edited: our export as one, or our CSV that a spreadsheet saved. A row ends at its
    /// last cell that is not empty.
    Sheet,
}

impl Columns {
    /// Reads the header of our own export.
    pub(super) fn own(header: &[&str], own: Own) -> Option<Self> {
        let list = header
            .iter()
            .map(|cell| Field::from_name(cell).map(Column::Field));
        Some(Self {
            list: list.collect::<Option<_>>()?,
            labels: Vec::new(),
            own: Some(own),
        })
    }

    /// Reads the header of any other file; an error lists the first unknown, repeated and missing fields.
    pub(super) fn of_header(header: &[&str], reading: &Reading) -> Result<Self, String> {
        let (mut columns, mut wrong) = (
            Self {
                list: Vec::with_capacity(header.len()),
                labels: Vec::new(),
                own: None,
            },
            Listed::default(),
        );
        let mut has_unknown = false;
        for cell in header {
            let name = trimmed(cell, &mut 0);
            let column = match reading.named(&name) {
                _ if name.is_empty() => Column::Unnamed,
                Some(named @ Named::Label(key)) => {
                    reading.note_name(&name, named);
                    Column::Label(key.to_owned())
                }
                Some(named @ Named::Field(field)) => {
                    if columns.has(field) {
                        wrong.push(|| format!("{} is given twice", columns.label(field)));
                    }
                    reading.note_name(&name, named);
                    if name != field.name() {
                        columns.labels.push((field, name.into_owned()));
                    }
                    Column::Field(field)
                }
                None if let Some(key) = column_key(&name)
                    && !reading.is_mapped(Named::Label(key)) =>
                {
                    reading.note_name(&name, Named::Label(key));
                    Column::Label(key.to_owned())
                }
                None if reading.may_ignore(&name) => Column::Ignored,
                None => {
                    has_unknown = true;
                    wrong.push(|| format!("{} is not a field of a task", quoted(&name)));
                    Column::Unnamed
                }
            };
            columns.list.push(column);
        }
        let options = &reading.options;
        for (named, name) in &options.map {
            let column = match named {
                FieldOrLabel::Field(field) => Column::Field(*field),
                FieldOrLabel::Label(key) => Column::Label(key.clone()),
            };
            if !columns.list.contains(&column) {
                wrong.push(|| {
                    let name = quoted(name);
                    format!("there is no column {name} for {}", named.name())
                });
            }
        }
        // Each of these is named, however many columns are wrong.
        let mut missing = String::new();
        for required in reading.required() {
            let field = Field::Task(*required);
            let named = FieldOrLabel::Field(field);
            let is_given = options.defaults.iter().any(|(given, _)| *given == named);
            let is_mapped = options.map.iter().any(|(mapped, _)| *mapped == named);
            if !is_given && !is_mapped && !columns.has(field) {
                let before = match wrong.is_empty() && missing.is_empty() {
                    true => "",
                    false => ", ",
                };
                let remedy = reading.remedy(*required);
                let remedy = remedy.map_or(String::new(), |how| format!(" ({how})"));
                missing.push_str(&format!("{before}{} is missing{remedy}", field.name()));
            }
        }
        match wrong.is_empty() && missing.is_empty() {
            true => Ok(columns),
            false => {
                let how = if has_unknown {
                    let [map, ignore] = [Advised::Map, Advised::IgnoreUnknown]
                        .map(|option| reading.option_names.of(option));
                    format!(
                        "; {map} names the columns of fields, {map} labels.KEY=HEADER keeps a column as a label, \
                        {ignore} leaves others out"
                    )
                } else {
                    String::new()
                };
                Err(format!("in the header {wrong}{missing}{how}"))
            }
        }
    }

    /// Whether a table is read as it is.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    fn has(&self, field: Field) -> bool {
        self.list.contains(&Column::Field(field))
    }

    /// The name of a column's field, with its header in brackets if that is another; `None` if the column has no field.
    pub(super) fn name(&self, column: usize) -> Option<String> {
        match self.list.get(column)? {
            Column::Field(field) => Some(self.label(*field)),
            Column::Label(key) => Some(label_name(key)),
            Column::Ignored | Column::Unnamed => None,
        }
    }

    /// Whether a column has ids of tasks or customers.
    pub(super) fn holds_ids(&self, column: usize) -> bool {
        let ids = [TaskField::TaskId, TaskField::Target, TaskField::CopiedFrom];
        let ids = ids.map(|field| Column::Field(Field::Task(field)));
        self.list.get(column).is_some_and(|held| ids.contains(held))
    }

    /// The name of a field, with its header in brackets if that is another.
    fn label(&self, field: Field) -> String {
        let label = self.labels.iter().find(|(labelled, _)| *labelled == field);
        match label {
            Some((_, header)) => format!("{} ({})", field.name(), quoted(header)),
            None => field.name().to_owned(),
        }
    }

    /// The fields of a row with their texts, without blanks around them, which are counted.
    pub(super) fn values<'r>(
        &'r self,
        cells: &'r [&'r str],
        trims: &mut u64,
    ) -> Vec<(Field, Cow<'r, str>)> {
        let values = self.list.iter().zip(cells).filter_map(|(column, cell)| {
            let Column::Field(field) = *column else {
                return None;
            };
            let text = match field {
                _ if self.is_own() => unguarded(cell),
                Field::Task(TaskField::TaskId) => trimmed_id(cell, trims),
                // The customer ids are trimmed one by one later.
                Field::Task(TaskField::Target) if !cell.trim_matches(is_blank).is_empty() => {
                    Cow::Borrowed(*cell)
                }
                _ => trimmed(cell, trims),
            };
            Some((field, text))
        });
        values.collect()
    }

    /// The labels of a row that have columns of their own, with the same treatment.
    pub(super) fn labels<'r>(
        &'r self,
        cells: &'r [&'r str],
        trims: &mut u64,
    ) -> Vec<(&'r str, Cow<'r, str>)> {
        let labels = self
            .list
            .iter()
            .zip(cells)
            .filter_map(|(column, cell)| match column {
                Column::Label(key) => Some((key.as_str(), trimmed(cell, trims))),
                Column::Field(_) | Column::Ignored | Column::Unnamed => None,
            });
        labels.collect()
    }

    /// Checks the number of cells. In a foreign file, further cells may be empty and the last ones may be missing.
    pub(super) fn check(&self, cells: &[&str]) -> Result<(), Violations> {
        let (has, wants) = (cells.len(), self.list.len());
        let is_text = |cell: &&str| !cell.trim_matches(is_blank).is_empty();
        if (self.own == Some(Own::Csv) && has != wants) || cells.iter().skip(wants).any(is_text) {
            return Err(wrong_cells(has, wants));
        }
        if self.is_own() {
            return Ok(());
        }
        let mut cells = self.list.iter().zip(cells).enumerate();
        match cells.find(|(_, (column, cell))| **column == Column::Unnamed && is_text(cell)) {
            None => Ok(()),
            Some((at, (_, cell))) => {
                let why = format!("has no header, but the value {}", quoted(cell));
                let column = format!("column {}", at + 1);
                Err(vec![Violation::of_record(column, why)].into())
            }
        }
    }

    /// Adds the headers of the file to the names of the fields.
    pub(super) fn labelled(&self, violations: Violations) -> Violations {
        if self.labels.is_empty() {
            return violations;
        }
        let mut all = Violations::of_record();
        all.extend(violations.into_iter().map(|mut violation| {
            let labels = self.labels.iter().find(|(field, _)| {
                let rest = violation.field.strip_prefix(field.name());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
            });
            if let Some((_, header)) = labels {
                violation.field = format!("{} ({})", violation.field, quoted(header));
            }
            violation
        }));
        all
    }
}

/// The violation of a record that `has` another number of cells than the header, which has what it `wants`.
pub(super) fn wrong_cells(has: usize, wants: usize) -> Violations {
    let cells = Reason::Count {
        min: wants,
        max: wants,
        noun: "cells",
        actual: has,
    };
    let why = format!("has {has} cells where the header has {wants}");
    vec![Violation::of_record("record", Fault::new(cells, why))].into()
}

/// Whether all cells of a row are blank.
pub(super) fn is_blank_row(cells: &[&str]) -> bool {
    cells
        .iter()
        .all(|cell| cell.trim_matches(is_blank).is_empty())
}

/// How well a row fits as the header of a table: how many of its cells name fields, and how many cells there are.
pub(super) fn fitness(cells: &[&str], reading: &Reading) -> (usize, usize) {
    let named = cells
        .iter()
        .filter(|cell| reading.named(&trimmed(cell, &mut 0)).is_some());
    (named.count(), cells.len())
}
