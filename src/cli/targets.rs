//! `outbound-tasks targets`.

use std::path::PathBuf;

use chrono_tz::Tz;
use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::Sending, import::tenant_of_tasks, import_terminal::Terminal, read_options::TableArgs,
    values::text,
};
use crate::{
    app::{
        App,
        import::{ImportFormat, LeadColumn, LeadColumns, LeadImport, Source},
    },
    config::Destination,
    domain::{limits::MAX_ID_CHARS, tenant::TenantId},
    error::Result,
};

/// Add customers to tasks that exist
#[derive(Debug, Args)]
pub(super) struct Targets {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Import(Box<Import>),
}

/// Add the customers of a lead list, one a row: all of them, or none
#[derive(Debug, Args)]
struct Import {
    #[command(flatten)]
    destination: Destination,
    /// Lead list, CSV or a workbook; decompressed if its name ends in .gz or .zst; - is standard input
    file: PathBuf,
    /// Tenant of the tasks; with --url, that of the key
    #[arg(long, env = "OUTBOUND_TASKS_TENANT", value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    /// Task to add all customers to; without it, a column holds the task of each
    #[arg(long, value_name = "ID", value_parser = text::<MAX_ID_CHARS>)]
    task: Option<String>,
    /// Column of the customers: its header or its number from 1; by default found by its header, or the only one
    #[arg(long, env = "OUTBOUND_TASKS_TARGETS_COLUMN", value_parser = LeadColumn::parse)]
    column: Option<LeadColumn>,
    /// Column of the tasks: its header or its number from 1; by default found by its header, as task_id. Not read
    /// with --task
    #[arg(long, env = "OUTBOUND_TASKS_TARGETS_TASK_COLUMN", value_name = "COLUMN", value_parser = LeadColumn::parse)]
    task_column: Option<LeadColumn>,
    /// Whether the first row is a header; by default it is if none of its cells has a digit, or if one is a known header
    #[arg(long, env = "OUTBOUND_TASKS_TARGETS_HEADER", value_enum)]
    header: Option<Header>,
    /// Format of the file; by default workbook if its name ends in .xlsx, .xls or .ods, else csv. A name of JSON is refused
    #[arg(long, env = "OUTBOUND_TASKS_TARGETS_FORMAT", value_enum)]
    format: Option<LeadFormat>,
    #[command(flatten)]
    table: TableArgs,
    /// Report what an import would do, and add nothing. It takes as long as the import, and the same locks
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_DRY_RUN")]
    dry_run: bool,
    /// Add the good customers even if some rows are bad, and write the bad rows to this file in UTF-8, to be corrected and
    /// imported. Values that a spreadsheet would run as formulas get an apostrophe, as in exports
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_REJECTS", value_name = "FILE")]
    rejects: Option<PathBuf>,
}

/// Whether there is a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Header {
    /// The first row names the columns
    Yes,
    /// The first row is a customer
    No,
}

/// The format of a lead list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LeadFormat {
    /// One customer per row, perhaps below a header
    Csv,
    /// A sheet of an .xlsx, .xlsm, .xlsb, .xls or .ods file, read like CSV
    Workbook,
}

impl Targets {
    pub(super) async fn run(self) -> Result<()> {
        match self.action {
            Action::Import(import) => import.run().await,
        }
    }
}

impl Import {
    async fn run(self) -> Result<()> {
        let columns = LeadColumns {
            task_id: self.task,
            customer: self.column,
            task: self.task_column,
            header: self.header.map(|header| header == Header::Yes),
        };
        let source = Source::of_argument(self.file);
        let format = self.format.map(|format| match format {
            LeadFormat::Csv => ImportFormat::Csv,
            LeadFormat::Workbook => ImportFormat::Workbook,
        });
        let mut options = LeadImport::new(source, columns, format)?;
        options.reading = self.table.options();
        options.is_dry_run = self.dry_run;
        options.rejects = self.rejects;
        let terminal = Terminal::new("target", false);
        let stop = super::serve::stop_signal()?;
        let done = match self.destination {
            Destination::Database(database) => {
                let tenant = tenant_of_tasks(self.tenant)?;
                let app = App::new(&database.for_command()?)?;
                super::serve::check_schema(&app).await?;
                app.target_import(&tenant, options, terminal.progress(), stop)
                    .await
            }
            Destination::Service(service) => {
                let sending = Sending {
                    service: &service,
                    tenant: self.tenant.as_ref(),
                    terminal: &terminal,
                };
                sending.leads(options, stop).await
            }
        };
        // Lead lists have no times.
        terminal.report(done, Tz::UTC, self.dry_run)
    }
}
