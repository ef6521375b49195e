//! The words and help texts of flag values. The types belong to lower layers, which do not depend on clap.

use clap::{ValueEnum, builder::PossibleValue};
use strum::VariantArray;

use crate::{
    app::{
        export::{ExportFormat, FileTimes},
        import::{ImportFormat, ImportProfile, OnConflict},
    },
    domain::{key::Scope, limits::length, words::Word},
    error::Reason,
};

/// Parses a text of 1 to `MOST` characters.
pub(super) fn text<const MOST: usize>(text: &str) -> Result<String, Reason> {
    match length(text, 1..=MOST) {
        None => Ok(text.to_owned()),
        Some(why) => Err(why),
    }
}

impl ValueEnum for Scope {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Read => "Read tasks",
            Self::Write => "Change tasks",
            Self::Admin => "Create, list and revoke keys of the tenant, of every scope",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}

impl ValueEnum for ExportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Ndjson => NDJSON,
            Self::Csv => CSV,
            Self::Xlsx => {
                "A workbook with the rows of CSV; ids are text, and times are dates in --time-zone"
            }
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}

impl ValueEnum for FileTimes {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Rfc3339 => "2023-03-01T10:00:00Z",
            Self::Compact => "20230301T10:00:00Z",
            Self::Local => "2023-03-01 18:00:00 in --time-zone; not for ndjson",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}

impl ValueEnum for ImportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ndjson, Self::Csv, Self::Json, Self::Workbook]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = match self {
            Self::Ndjson => ("ndjson", NDJSON),
            Self::Csv => ("csv", CSV),
            Self::Json => (
                "json",
                "The documented response form: {\"total\":…,\"tasks\":[…]}, or a list",
            ),
            Self::Workbook => (
                "workbook",
                "A sheet of an .xlsx, .xlsm, .xlsb, .xls or .ods file, read like CSV",
            ),
        };
        Some(PossibleValue::new(word).help(help))
    }
}

const NDJSON: &str = "One JSON object per line";
const CSV: &str = "A header with the names of the fields, then one row per task; customers are separated by semicolons";

impl ValueEnum for OnConflict {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Fail, Self::Skip, Self::Replace]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = match self {
            Self::Fail => ("fail", "Treat the record as bad"),
            Self::Skip => ("skip", "Leave the record out"),
            Self::Replace => ("replace", "Replace the task, including its targets"),
        };
        Some(PossibleValue::new(word).help(help))
    }
}

impl ValueEnum for ImportProfile {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Vicidial => "Leads of VICIdial, one customer a row: a task for each campaign_id",
            Self::AwsConnect => {
                "Campaigns of Amazon Connect: the answer of ListCampaigns or DescribeCampaign"
            }
            Self::AliyunOutbound => {
                "Job groups of Alibaba Cloud's outbound robot: the answer of ListJobGroups or DescribeJobGroup"
            }
            Self::Genesys => "Campaigns of Genesys Cloud: the answer of the campaigns query",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}
