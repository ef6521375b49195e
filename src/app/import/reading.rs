//! What the readers of all formats share while they read one file: its options, and what was noticed so far.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
};

use strum::VariantArray;

use super::{
    delimiter::Delimiter,
    encoding::Encoding,
    field::{Field, FieldOrLabel, label_name, quoted},
    option_names::{Advised, OptionNames},
    options::ReadOptions,
    profile::Profile,
    times::Form,
    words,
};
use crate::domain::{fields::TaskField, status::TaskStatus, words::Word};

/// How many names are reported at most, so that a file with a name of its own in each record does not fill the memory.
const MAX_NAMES: usize = 100;

/// What a header or JSON name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'a> {
    Field(Field),
    /// The label with this key.
    Label(&'a str),
}

impl<'a> Named<'a> {
    fn of(named: &'a FieldOrLabel) -> Self {
        match named {
            FieldOrLabel::Field(field) => Self::Field(*field),
            FieldOrLabel::Label(key) => Self::Label(key),
        }
    }

    /// The name in options and reports.
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Field(field) => Cow::Borrowed(field.name()),
            Self::Label(key) => Cow::Owned(label_name(key)),
        }
    }
}

/// The state of reading one file.
pub(super) struct Reading {
    pub(super) options: ReadOptions,
    /// What messages call the options.
    pub(super) option_names: OptionNames,
    /// Headers and JSON names that differ from the name of their field, and all of labels.
    pub(super) renamed: RefCell<Vec<(String, Cow<'static, str>)>>,
    /// Headers and JSON names that were left out.
    pub(super) ignored: RefCell<Vec<String>>,
    pub(super) blank_rows: Cell<u64>,
    /// The sheet of a workbook.
    pub(super) sheet: RefCell<Option<String>>,
    /// Whether a progress was a fraction, and whether one was 1; both without a percent sign.
    shares: (Cell<bool>, Cell<bool>),
    /// Whether the file may show numbers as percentages without our seeing it.
    pub(super) hides_percentages: Cell<bool>,
    /// Whether the serial numbers of a workbook count from 1904.
    pub(super) is_1904: Cell<bool>,
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
        Self::new(ReadOptions::default(), OptionNames::default())
    }
}

impl Reading {
    pub(super) fn new(mut options: ReadOptions, option_names: OptionNames) -> Self {
        // Options that come over the network have no order.
        options.map.sort_by_key(|(named, _)| named.name());
        // Labels last: a default of the field is for a record without any label.
        options
            .defaults
            .sort_by_key(|(named, _)| matches!(named, FieldOrLabel::Label(_)));
        options.status_map.sort();
        Self {
            options,
            option_names,
            renamed: RefCell::default(),
            ignored: RefCell::default(),
            blank_rows: Cell::default(),
            sheet: RefCell::default(),
            shares: Default::default(),
            hides_percentages: Cell::default(),
            is_1904: Cell::default(),
            encoding: Cell::new((Encoding::UTF_8, None)),
            has_no_header: Cell::default(),
            delimiter: Cell::default(),
            forms: Default::default(),
            untrusted: RefCell::default(),
        }
    }

    /// What a header or JSON name stands for. A field that is mapped has no other name.
    pub(super) fn named(&self, name: &str) -> Option<Named<'_>> {
        let map = &self.options.map;
        if map.is_empty() && self.options.profile.is_none() {
            let field = Field::from_name(name).or_else(|| words::field(name));
            return field.map(Named::Field);
        }
        let mapped = map
            .iter()
            .map(|(named, mapped)| (mapped.as_str(), Named::of(named)));
        if let Some(named) = words::named(mapped, name) {
            return Some(named);
        }
        let found = match self.options.profile {
            Some(profile) => profile.field(name),
            None => Field::from_name(name).or_else(|| words::field(name)),
        };
        let found = found.map(Named::Field);
        found.filter(|named| !self.is_mapped(*named))
    }

    /// What a name inside of an object stands for, such as `schedule.startTime`. Only maps have such names.
    pub(super) fn named_inside(&self, path: &str) -> Option<Named<'_>> {
        words::named(self.names().map(|(named, name)| (name, named)), path)
    }

    /// Whether names of fields lead through the object with this name.
    pub(super) fn leads_through(&self, path: &str) -> bool {
        self.names().any(|(_, name)| {
            let rest = name.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// The names that stand for fields and labels by the options, those of `--map` first.
    fn names(&self) -> impl Iterator<Item = (Named<'_>, &str)> + Clone {
        let map = self.options.map.iter();
        let of_profile = self.options.profile.into_iter();
        let of_profile = of_profile.flat_map(|profile| profile.all_names());
        let of_profile = of_profile.map(|(field, name)| (Named::Field(field), name));
        map.map(|(named, name)| (Named::of(named), name.as_str()))
            .chain(of_profile.filter(|(named, _)| !self.is_mapped(*named)))
    }

    /// Whether the options give the name that stands for this.
    pub(super) fn is_mapped(&self, named: Named<'_>) -> bool {
        let mut map = self.options.map.iter();
        map.any(|(mapped, _)| Named::of(mapped) == named)
    }

    /// Whether records that have the same `task_id` are the customers of one task.
    pub(super) fn is_grouped(&self) -> bool {
        self.options.profile.is_some_and(Profile::is_grouped)
    }

    /// The fields that a record must have.
    pub(super) fn required(&self) -> &'static [TaskField] {
        const GROUPED: [TaskField; 4] = [
            TaskField::TaskId,
            TaskField::Target,
            TaskField::StartTime,
            TaskField::EndTime,
        ];
        match self.is_grouped() {
            true => &GROUPED,
            false => &Field::REQUIRED,
        }
    }

    /// What to do about a required field that a vendor's export does not have.
    pub(super) fn remedy(&self, field: TaskField) -> Option<String> {
        let profile = self.options.profile?;
        let (vendor, word) = (profile.vendor(), field.word());
        let [map, default] =
            [Advised::Map, Advised::Default].map(|option| self.option_names.of(option));
        Some(match (field, profile.is_grouped()) {
            (TaskField::TaskId, true) => format!(
                "{vendor}'s campaign_id groups the customers; {map} task_id=list_id groups them by another column, \
                {default} task_id=… makes one task of the file"
            ),
            (TaskField::Target, _) => {
                format!("{vendor} calls it phone_number; {map} target=… names another column")
            }
            _ => format!("exports of {vendor} may lack it; {default} {word}=… fills it"),
        })
    }

    /// Whether the options give words of their own for statuses.
    pub(super) fn has_status_words(&self) -> bool {
        !self.options.status_map.is_empty() || self.options.profile.is_some()
    }

    /// The status that a word stands for.
    pub(super) fn status(&self, word: &str) -> Option<TaskStatus> {
        let map = self.options.status_map.iter();
        let map = map.map(|(mapped, status)| (mapped.as_str(), *status));
        let profile = self.options.profile;
        words::named(map, word)
            .or_else(|| profile.and_then(|profile| profile.status(word)))
            .or_else(|| words::status(word))
    }

    /// Keeps a header or JSON name for the report, unless it is the field's own name. Labels are kept in any case, because
    /// a wrong key is no error.
    pub(super) fn note_name(&self, name: &str, named: Named<'_>) {
        if matches!(named, Named::Field(field) if field.name() == name) {
            return;
        }
        let mut renamed = self.renamed.borrow_mut();
        if renamed.len() < MAX_NAMES && !renamed.iter().any(|(known, _)| known == name) {
            renamed.push((name.to_owned(), named.name()));
        }
    }

    /// Whether a name that is no field may be left out; keeps it for the report.
    pub(super) fn may_ignore(&self, name: &str) -> bool {
        let mut ignored = self.ignored.borrow_mut();
        let may_ignore = self.options.ignore_unknown || self.options.profile.is_some();
        if may_ignore && ignored.len() < MAX_NAMES && !ignored.iter().any(|known| known == name) {
            ignored.push(name.to_owned());
        }
        may_ignore
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

    /// Checks a progress without a percent sign. In a column that has fractions, 1 is 100 %; if a 1 was read before, the
    /// whole file is refused. Where percentages are hidden, 1 is refused anyway.
    pub(super) fn check_share(&self, number: f64) -> Result<(), String> {
        let (has_fraction, has_one) = &self.shares;
        let is_fraction = 0.0 < number && number < 1.0;
        has_fraction.set(has_fraction.get() || is_fraction);
        has_one.set(has_one.get() || number == 1.0);
        if number == 1.0 && self.hides_percentages.get() {
            let why =
                "is 1 % or 100 %, which is not seen in this kind of workbook: save it as .xlsx";
            return Err(why.to_owned());
        }
        if !has_fraction.get() || !has_one.get() || !(is_fraction || number == 1.0) {
            return Ok(());
        }
        let why = "has both fractions and 1, which could be 1 % or 100 %: write all of the column with percent signs, or \
            save a workbook with percentages as .xlsx";
        if is_fraction {
            *self.untrusted.borrow_mut() = Some(format!("progress {why}"));
        }
        Err(why.to_owned())
    }

    /// Takes the reason why the whole file must be refused.
    pub(super) fn take_untrusted(&self) -> Option<String> {
        self.untrusted.borrow_mut().take()
    }
}
