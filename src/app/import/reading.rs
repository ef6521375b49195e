//! What the readers of all formats share while they read one file: its options, and what was noticed so far.

use std::cell::{Cell, RefCell};

use strum::VariantArray;

use super::{
    delimiter::Delimiter,
    encoding::Encoding,
    field::{Field, quoted},
    options::ReadOptions,
    times::Form,
    words,
};
use crate::domain::{fields::TaskField, status::TaskStatus, words::Word};

/// How many names are reported at most, so that a file with a name of its own in each record does not fill the memory.
const MAX_NAMES: usize = 100;

/// The state of reading one file.
pub(super) struct Reading {
    pub(super) options: ReadOptions,
    /// Headers and JSON names that differ from the name of their field.
    pub(super) renamed: RefCell<Vec<(String, &'static str)>>,
    /// Headers and JSON names that were left out.
    pub(super) ignored: RefCell<Vec<String>>,
    pub(super) blank_rows: Cell<u64>,
    /// The sheet of a workbook.
    pub(super) sheet: RefCell<Option<String>>,
    /// The encoding of a text, and its probable one if that is neither UTF-8 nor GB18030.
    pub(super) encoding: Cell<(Encoding, Option<Encoding>)>,
    /// Whether a lead list has no header.
    pub(super) has_no_header: Cell<bool>,
    /// The delimiter of a CSV file.
    pub(super) delimiter: Cell<Option<Delimiter>>,
    /// How the first time of each field was written.
    forms: [Cell<Option<Form>>; TaskField::VARIANTS.len()],
    /// Why no record of the file can be trusted.
    untrusted: RefCell<Option<String>>,
}

impl Default for Reading {
    fn default() -> Self {
        Self::new(ReadOptions::default())
    }
}

impl Reading {
    pub(super) fn new(options: ReadOptions) -> Self {
        Self {
            options,
            renamed: RefCell::default(),
            ignored: RefCell::default(),
            blank_rows: Cell::default(),
            sheet: RefCell::default(),
            encoding: Cell::new((Encoding::UTF_8, None)),
            has_no_header: Cell::default(),
            delimiter: Cell::default(),
            forms: Default::default(),
            untrusted: RefCell::default(),
        }
    }

    /// The field that a header or JSON name stands for. A field that is mapped has no other name.
    pub(super) fn field(&self, name: &str) -> Option<Field> {
        let map = &self.options.map;
        if map.is_empty() {
            return Field::from_name(name).or_else(|| words::field(name));
        }
        if let Some((field, _)) = map.iter().find(|(_, mapped)| is_same(mapped, name)) {
            return Some(*field);
        }
        let found = Field::from_name(name).or_else(|| words::field(name));
        found.filter(|field| map.iter().all(|(mapped, _)| mapped != field))
    }

    /// The status that a word stands for.
    pub(super) fn status(&self, word: &str) -> Option<TaskStatus> {
        let map = &self.options.status_map;
        let mapped = map.iter().find(|(mapped, _)| is_same(mapped, word));
        mapped
            .map(|(_, status)| *status)
            .or_else(|| words::status(word))
    }

    /// Keeps a header or JSON name for the report, unless it is the field's own name.
    pub(super) fn note_name(&self, name: &str, field: Field) {
        if name == field.name() {
            return;
        }
        let mut renamed = self.renamed.borrow_mut();
        if renamed.len() < MAX_NAMES && !renamed.iter().any(|(known, _)| known == name) {
            renamed.push((name.to_owned(), field.name()));
        }
    }

    /// Whether a name that is no field may be left out; keeps it for the report.
    pub(super) fn may_ignore(&self, name: &str) -> bool {
        let mut ignored = self.ignored.borrow_mut();
        if self.options.ignore_unknown
            && ignored.len() < MAX_NAMES
            && !ignored.iter().any(|known| known == name)
        {
            ignored.push(name.to_owned());
        }
        self.options.ignore_unknown
    }

    /// Checks that a number is in a column of such numbers; `text` is the time as written. If the column began with
    /// numbers, these are not to be trusted either, and the whole file is refused.
    pub(super) fn check_form(
        &self,
        field: TaskField,
        form: Form,
        text: &str,
    ) -> Result<(), String> {
        let known = &self.forms[field as usize];
        let Some(first) = known.get() else {
            known.set(Some(form));
            return Ok(());
        };
        if first.is_like(form) {
            return Ok(());
        }
        let why = format!(
            "has {} before and {} here, was {}: all of a column must be in one form if any of it is a number",
            first.name(),
            form.name(),
            quoted(text)
        );
        if !matches!(first, Form::Own | Form::Text) {
            let name = field.word();
            *self.untrusted.borrow_mut() = Some(format!("{name} {why}"));
        }
        Err(why)
    }

    /// Takes the reason why the whole file must be refused.
    pub(super) fn take_untrusted(&self) -> Option<String> {
        self.untrusted.borrow_mut().take()
    }
}

/// Whether two names are the same, case, width, blanks and punctuation aside.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let (folded, trimmed) = (words::folded(one), other.trim());
    one.trim() == trimmed || (!folded.is_empty() && folded == words::folded(other))
}
