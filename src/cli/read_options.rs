//! The flags that say how a file is to be read.

use chrono_tz::Tz;
use clap::Args;

use crate::{
    app::import::{Delimiter, Encoding, FieldOrLabel, ImportProfile, ReadOptions},
    config::zone,
    domain::status::TaskStatus,
};

/// How to read a table, where it does not say so itself.
#[derive(Debug, Args)]
pub(super) struct TableArgs {
    /// Encoding of the file, such as utf-8, gb18030, utf-16le or big5; by default detected (UTF-8, GB18030, and UTF-16
    /// with a byte order mark)
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_ENCODING", value_parser = Encoding::parse)]
    encoding: Option<Encoding>,
    /// Character between the cells of CSV: , ; | tab or another one; by default that of a sep= line or of the header
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_DELIMITER", value_parser = Delimiter::parse)]
    delimiter: Option<Delimiter>,
    /// Sheet of a workbook; by default the first
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_SHEET")]
    sheet: Option<String>,
    /// Text between the customer ids of a cell; by default ; ； 、 | or a line break, and a comma between numbers
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_TARGET_SEPARATOR", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    target_separator: Option<String>,
}

/// How to read a file of tasks, where it does not say so itself.
#[derive(Debug, Args)]
pub(super) struct ReadArgs {
    #[command(flatten)]
    table: TableArgs,
    /// Read an export of another vendor: its names, status words and list. The other options are stronger. Columns and
    /// names that are no fields of a task are left out
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_PROFILE", value_enum)]
    profile: Option<ImportProfile>,
    /// Headers or JSON names of fields and labels, as name=任务名称,labels.region=地区; dots lead into objects, as
    /// start_time=schedule.startTime
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_MAP", value_name = "FIELD=HEADER,…", value_parser = map)]
    map: Vec<Pairs<FieldOrLabel, String>>,
    /// Statuses of other words, as 进行中=running,待定=pending
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_STATUS_MAP", value_name = "WORD=STATUS,…", value_parser = status_map)]
    status_map: Vec<Pairs<String, TaskStatus>>,
    /// Leave out columns and JSON names that are no fields of a task, instead of refusing the file
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_IGNORE_UNKNOWN")]
    ignore_unknown: bool,
    /// Value of a field or label that a record does not have, as start_time=2026-12-01 or labels.region=east; may be
    /// repeated
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_DEFAULT", value_name = "FIELD=VALUE", value_parser = ReadOptions::parse_default)]
    default: Vec<(FieldOrLabel, String)>,
    /// Names that lead to the list of tasks in a JSON document, as JobGroups.List; by default tasks, or the document is a list
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_ROOT", value_name = "NAME.…")]
    root: Option<String>,
    /// IANA time zone of bare dates and of times without a zone
    #[arg(long, env = "OUTBOUND_TASKS_TIME_ZONE", default_value = "UTC", value_parser = zone)]
    time_zone: Tz,
}

/// The pairs of one flag. clap takes a plain `Vec` for several values.
#[derive(Debug, Clone)]
struct Pairs<A, B>(Vec<(A, B)>);

fn map(text: &str) -> Result<Pairs<FieldOrLabel, String>, String> {
    ReadOptions::parse_map(text).map(Pairs)
}

fn status_map(text: &str) -> Result<Pairs<String, TaskStatus>, String> {
    ReadOptions::parse_status_map(text).map(Pairs)
}

impl TableArgs {
    pub(super) fn options(self) -> ReadOptions {
        let Self {
            encoding,
            delimiter,
            sheet,
            target_separator,
        } = self;
        ReadOptions {
            encoding,
            delimiter,
            sheet,
            target_separator,
            ..ReadOptions::default()
        }
    }
}

impl ReadArgs {
    pub(super) fn options(self) -> ReadOptions {
        let Self {
            table,
            profile,
            map,
            status_map,
            ignore_unknown,
            default,
            root,
            time_zone,
        } = self;
        ReadOptions {
            profile,
            map: map.into_iter().flat_map(|pairs| pairs.0).collect(),
            status_map: status_map.into_iter().flat_map(|pairs| pairs.0).collect(),
            ignore_unknown,
            defaults: default,
            root: root
                .map(|root| root.split('.').map(str::to_owned).collect())
                .unwrap_or_default(),
            time_zone,
            ..table.options()
        }
    }
}
