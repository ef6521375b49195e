//! The words that flags take for values of the layers below, which know nothing of a command line.

use clap::{ValueEnum, builder::PossibleValue};

use crate::{
    app::{
        export::ExportFormat,
        import::{ImportFormat, OnConflict},
    },
    domain::key::Scope,
};

impl ValueEnum for Scope {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Read => "See tasks",
            Self::Write => "Change tasks",
            Self::Admin => "Manage the tenant",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}

impl ValueEnum for ExportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Ndjson => NDJSON,
            Self::Csv => CSV,
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}

impl ValueEnum for ImportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ndjson, Self::Csv, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = match self {
            Self::Ndjson => ("ndjson", NDJSON),
            Self::Csv => ("csv", CSV),
            Self::Json => ("json", "The documented answer: {\"total\":…,\"tasks\":[…]}"),
        };
        Some(PossibleValue::new(word).help(help))
    }
}

const NDJSON: &str = "One JSON object a line";
const CSV: &str = "A header that names the fields, then a row a task; customers separated by ;";

impl ValueEnum for OnConflict {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Fail, Self::Skip, Self::Replace]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = match self {
            Self::Fail => ("fail", "The record is bad"),
            Self::Skip => ("skip", "The record is left out"),
            Self::Replace => (
                "replace",
                "The record takes the place of the task, its customers too",
            ),
        };
        Some(PossibleValue::new(word).help(help))
    }
}
