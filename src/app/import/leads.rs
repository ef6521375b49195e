//! Lead lists: tables with one customer a row, and perhaps the task of each.

use std::borrow::Cow;

use super::{
    columns::wrong_cells,
    customers,
    draft::MAX_TARGET_VIOLATIONS,
    entry::{Parsed, TEXT},
    field::quoted,
    lead_columns::{Column, LeadColumns, is_known_customer, is_known_task},
    option_names::Advised,
    reading::Reading,
    report::Repairs,
    spoilt::{damaged, spoilt_customer, spoilt_id, trimmed, trimmed_id},
    table::{First, Table},
    words,
};
use crate::{
    domain::{
        limits::{MAX_ID_CHARS, check_text},
        text::is_blank,
    },
    error::{Reason, Violation, Violations, listed},
};

/// The customers of a row.
#[derive(Debug)]
pub(super) struct Lead {
    /// The task; `None` if it is the same for all rows.
    pub(super) task_id: Option<String>,
    pub(super) customers: Vec<String>,
    pub(super) repairs: Repairs,
}

impl Parsed for Lead {
    fn memory(&self) -> usize {
        let ids = self.customers.iter().chain(&self.task_id);
        ids.map(|id| TEXT + id.len()).sum()
    }
}

/// A lead list that is being read.
pub(super) struct Leads<'r> {
    reading: &'r Reading,
    wanted: &'r LeadColumns,
    found: Option<Found>,
}

/// The indexes of the columns that are read, with their headers.
struct Found {
    customer: (usize, Option<String>),
    task: Option<(usize, Option<String>)>,
    /// The number of columns of the header; 0 if there is none.
    width: usize,
}

impl<'r> Leads<'r> {
    pub(super) fn new(reading: &'r Reading, wanted: &'r LeadColumns) -> Self {
        Self {
            reading,
            wanted,
            found: None,
        }
    }

    /// Whether a header names the customers, if the user does not say which one does.
    fn is_customer(&self, header: &str) -> bool {
        match &self.wanted.customer {
            Some(Column::Header(wanted)) => words::is_same(wanted, header),
            Some(Column::Number(_)) => false,
            None => is_known_customer(header),
        }
    }

    /// Whether a header names the tasks.
    fn is_task(&self, header: &str) -> bool {
        match (&self.wanted.task_id, &self.wanted.task) {
            (Some(_), _) | (None, Some(Column::Number(_))) => false,
            (None, Some(Column::Header(wanted))) => words::is_same(wanted, header),
            (None, None) => is_known_task(header),
        }
    }

    /// Whether a cell of the first row shows that the row is a header.
    fn is_header(&self, cell: &str) -> bool {
        let named = |column: &Option<Column>| match column {
            Some(Column::Header(wanted)) => words::is_same(wanted, cell),
            _ => false,
        };
        named(&self.wanted.customer)
            || named(&self.wanted.task)
            || is_known_customer(cell)
            || is_known_task(cell)
    }

    /// The index of the only column whose header fits. `option` and `what` are for the message.
    fn column(
        &self,
        headers: &[Cow<'_, str>],
        wanted: Option<&Column>,
        fits: impl Fn(&str) -> bool,
        (option, what): (Advised, &str),
    ) -> Result<Option<usize>, String> {
        let option = self.reading.option_names.of(option);
        let all = || listed(headers, |header| quoted(header));
        if let Some(Column::Number(number)) = wanted {
            return match *number <= headers.len() {
                true => Ok(Some(number - 1)),
                false => {
                    let count = headers.len();
                    Err(format!(
                        "{option} is {number}, but the first row has {count} cells"
                    ))
                }
            };
        }
        let found = headers
            .iter()
            .enumerate()
            .filter(|(_, header)| fits(header));
        let found: Vec<usize> = found.map(|(index, _)| index).collect();
        match (&found[..], wanted) {
            ([index], _) => Ok(Some(*index)),
            ([], None) => Ok(None),
            ([], Some(wanted)) => {
                let wanted = quoted(&wanted.to_string());
                Err(format!(
                    "there is no column {wanted} for {what}; there are {}",
                    all()
                ))
            }
            _ => Err(format!(
                "several columns may hold {what}; {option} names one of {}",
                all()
            )),
        }
    }

    fn find(&self, headers: &[Cow<'_, str>], has_header: bool) -> Result<Found, String> {
        let names = self.reading.option_names;
        let named = |wanted: Option<&Column>| matches!(wanted, Some(Column::Header(_)));
        let (customer, task) = (self.wanted.customer.as_ref(), self.wanted.task.as_ref());
        if !has_header && (named(customer) || named(task)) {
            let column = match named(customer) {
                true => Advised::Column,
                false => Advised::TaskColumn,
            };
            let [column, header] = [column, Advised::Header].map(|option| names.of(option));
            return Err(format!(
                "the file has no header, so {column} must be a number; with {header}, the first row is one"
            ));
        }
        let fits = |is_it: bool| is_it && has_header;
        let of = (Advised::Column, "the customers");
        let customer = self.column(headers, customer, |h| fits(self.is_customer(h)), of)?;
        let of = (Advised::TaskColumn, "the tasks");
        let task = match self.wanted.task_id {
            Some(_) => None,
            None => self.column(headers, task, |h| fits(self.is_task(h)), of)?,
        };
        if self.wanted.task_id.is_none() && task.is_none() {
            let [task, column] =
                [Advised::Task, Advised::TaskColumn].map(|option| names.of(option));
            return Err(format!(
                "{task} names the task of all rows, or {column} the column of their tasks"
            ));
        }
        // The only other column must be it.
        let mut others = (0..headers.len()).filter(|index| Some(*index) != task);
        let customer = match (customer, others.next(), others.next()) {
            (Some(customer), ..) | (None, Some(customer), None) => customer,
            _ => {
                let all = listed(headers, |cell| quoted(cell));
                return Err(format!(
                    "{} says which column holds the customers: a number{} of {all}",
                    names.of(Advised::Column),
                    if has_header { ", or one" } else { "" },
                ));
            }
        };
        let header = |index: usize| has_header.then(|| headers[index].clone().into_owned());
        Ok(Found {
            customer: (customer, header(customer)),
            task: task.map(|index| (index, header(index))),
            width: if has_header { headers.len() } else { 0 },
        })
    }
}

impl Table for Leads<'_> {
    type Record = Lead;

    fn fitness(&self, cells: &[&str]) -> (usize, usize) {
        let named = cells.iter().filter(|cell| {
            let cell = trimmed(cell, &mut 0);
            self.is_customer(&cell) || self.is_task(&cell)
        });
        (named.count(), cells.len())
    }

    fn begin(&mut self, first: First<'_>) -> Result<bool, String> {
        let cells = first.cells.iter().map(|cell| trimmed(cell, &mut 0));
        let mut cells: Vec<Cow<'_, str>> = cells.collect();
        while cells.last().is_some_and(|cell| cell.is_empty()) {
            cells.pop();
        }
        let has_digit =
            |cell: &Cow<'_, str>| cell.contains(|c: char| words::half_width(c).is_ascii_digit());
        let is_named = || cells.iter().any(|cell| self.is_header(cell));
        let has_header = self.wanted.header;
        let has_header = has_header.unwrap_or_else(|| !cells.iter().any(has_digit) || is_named());
        let found = self.find(&cells, has_header);
        let found = found.map_err(|why| format!("in the first row: {why}"))?;
        self.reading.has_no_header.set(!has_header);
        for (column, name) in [
            (Some(&found.customer), CUSTOMER),
            (found.task.as_ref(), TASK),
        ] {
            if let Some((_, Some(header))) = column
                && header != name
            {
                let renamed = (header.clone(), name.into());
                self.reading.renamed.borrow_mut().push(renamed);
            }
        }
        self.found = Some(found);
        Ok(has_header)
    }

    fn is_begun(&self) -> bool {
        self.found.is_some()
    }

    fn is_literal(&self) -> bool {
        false
    }

    fn column_name(&self, column: usize) -> Option<String> {
        let found = self.found.as_ref()?;
        let columns = [
            (Some(&found.customer), CUSTOMER),
            (found.task.as_ref(), TASK),
        ];
        columns.into_iter().find_map(|(found, name)| {
            let (index, header) = found?;
            (*index == column).then(|| label(name, header.as_deref()))
        })
    }

    fn holds_ids(&self, column: usize) -> bool {
        self.column_name(column).is_some()
    }

    fn record(&self, cells: &[&str]) -> Result<Lead, Violations> {
        let mut violations = Violations::of_record();
        let Some(found) = &self.found else {
            return Err(violations); // not reached: rows are read after the first one
        };
        let is_text = |cell: &&str| !cell.trim_matches(is_blank).is_empty();
        let (has, wants) = (cells.len(), found.width);
        if wants > 0 && cells.iter().skip(wants).any(is_text) {
            return Err(wrong_cells(has, wants));
        }
        let mut repairs = Repairs::default();
        let task_id = found.task.as_ref().map(|(index, header)| {
            let cell = cells.get(*index).copied().unwrap_or_default();
            let task_id = trimmed_id(cell, &mut repairs.trimmed).into_owned();
            let name = label(TASK, header.as_deref());
            check_text(&name, &task_id, MAX_ID_CHARS, &mut violations);
            if let Some(why) = spoilt_id(&task_id) {
                violations.push(Violation::of_record(name, damaged(&task_id, why)));
            }
            task_id
        });
        let (index, header) = &found.customer;
        let cell = cells.get(*index).copied().unwrap_or_default();
        let name = label(CUSTOMER, header.as_deref());
        let customers = self.customers(cell, &name, &mut repairs, &mut violations);
        repairs.short_rows += u64::from(cells.len() < found.width);
        match violations.is_empty() {
            true => Ok(Lead {
                task_id,
                customers,
                repairs,
            }),
            false => Err(violations),
        }
    }
}

impl Leads<'_> {
    /// The customers of a cell; nearly always one.
    fn customers(
        &self,
        cell: &str,
        name: &str,
        repairs: &mut Repairs,
        violations: &mut Violations,
    ) -> Vec<String> {
        if trimmed(cell, &mut 0).is_empty() {
            violations.push(Violation::new(name, Reason::Required));
            return Vec::new();
        }
        let separator = self.reading.options.target_separator.as_deref();
        let customers = customers::split(cell, separator, repairs);
        let mut wrong = 0;
        for customer in &customers {
            let mut of_customer = Violations::of_record();
            check_text(name, customer, MAX_ID_CHARS, &mut of_customer);
            if let Some(why) = spoilt_customer(customer) {
                of_customer.push(Violation::of_record(name, damaged(customer, why)));
            }
            wrong += usize::from(!of_customer.is_empty());
            if wrong <= MAX_TARGET_VIOLATIONS {
                violations.append(of_customer);
            }
        }
        if wrong > MAX_TARGET_VIOLATIONS {
            let more = wrong - MAX_TARGET_VIOLATIONS;
            let why = format!("has {more} more invalid customer ids");
            violations.push(Violation::of_record(name, why));
        }
        customers
    }
}

/// The names of the columns in messages.
const CUSTOMER: &str = "customer_id";
const TASK: &str = "task_id";

/// The name of a column, with its header in brackets if that is another.
fn label(name: &str, header: Option<&str>) -> String {
    match header {
        Some(header) if header != name => format!("{name} ({})", quoted(header)),
        _ => name.to_owned(),
    }
}
