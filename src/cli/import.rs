//! `outbound-tasks import`.

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use super::{client::Sending, import_terminal::Terminal, read_options::ReadArgs};
use crate::{
    app::{
        App,
        import::{Import as Options, ImportFormat, OnConflict, Source},
    },
    config::Destination,
    domain::tenant::TenantId,
    error::{Error, ErrorKind, Result},
};

/// Import tasks from a file: all of them, or none
#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    destination: Destination,
    /// Input file; decompressed if its name ends in .gz or .zst; - is standard input
    file: PathBuf,
    /// Tenant of the tasks; with --url, that of the key
    #[arg(long, env = "OUTBOUND_TASKS_TENANT", value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    /// Format of the file; by default csv, json, ndjson or workbook (.xlsx, .xls, .ods) if its name ends so, else that of
    /// the profile, else ndjson
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_FORMAT", value_enum)]
    format: Option<ImportFormat>,
    #[command(flatten)]
    reading: ReadArgs,
    /// What to do with a record if its task_id exists already, as a task or as an earlier record
    #[arg(
        long,
        env = "OUTBOUND_TASKS_IMPORT_ON_CONFLICT",
        value_enum,
        default_value = "fail"
    )]
    on_conflict: OnConflict,
    /// With --on-conflict replace: drop results of calls that a task has and its new record does not have or has older ones
    /// of. Without this flag, nothing is loaded if any result would be dropped
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_DROP_RESULTS")]
    drop_results: bool,
    /// Report what an import would do, and load nothing. It takes as long as the import, and the same locks
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_DRY_RUN")]
    dry_run: bool,
    /// Import the good records even if some are bad, and write the bad ones to this file in UTF-8, to be corrected and
    /// imported. In CSV, values that a spreadsheet would run as formulas get an apostrophe, as in exports
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_REJECTS", value_name = "FILE")]
    rejects: Option<PathBuf>,
}

impl Import {
    pub(super) async fn run(self) -> Result<()> {
        let mut options = Options::new(Source::of_argument(self.file));
        options.reading = self.reading.options();
        let checked = options.reading.check_flags();
        checked.map_err(|what| Error::new(ErrorKind::BadUsage, what))?;
        let profile = options.reading.profile;
        options.format = self
            .format
            .unwrap_or_else(|| options.source.format(profile));
        options.on_conflict = self.on_conflict;
        options.drop_results = self.drop_results;
        options.is_dry_run = self.dry_run;
        options.rejects = self.rejects;
        let stop = super::serve::stop_signal()?;
        match self.destination {
            Destination::Database(database) => {
                let tenant = tenant_of_tasks(self.tenant)?;
                let app = App::new(&database.for_command()?)?;
                super::serve::check_schema(&app).await?;
                import(&app, &tenant, options, stop).await
            }
            Destination::Service(service) => {
                let terminal = terminal(&options);
                let (time_zone, is_dry_run) = (options.reading.time_zone, options.is_dry_run);
                let sending = Sending {
                    service: &service,
                    tenant: self.tenant.as_ref(),
                    terminal: &terminal,
                };
                let done = sending.tasks(options, stop).await;
                terminal.report(done, time_zone, is_dry_run)
            }
        }
    }
}

/// Runs an import, and reports its progress and result on standard error. `dev` uses it for `--tasks`.
pub(super) async fn import(
    app: &App,
    tenant: &TenantId,
    options: Options,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let terminal = terminal(&options);
    let (time_zone, is_dry_run) = (options.reading.time_zone, options.is_dry_run);
    let done = app.task_import(tenant, options, terminal.progress(), stop);
    terminal.report(done.await, time_zone, is_dry_run)
}

fn terminal(options: &Options) -> Arc<Terminal> {
    // A document may be a single line, so the line number alone does not identify a record.
    Terminal::new("task", options.format == ImportFormat::Json)
}

/// The tenant of an import into a database. BAD_USAGE if the user did not say it.
pub(super) fn tenant_of_tasks(tenant: Option<TenantId>) -> Result<TenantId> {
    tenant.ok_or_else(|| {
        let what = "--tenant is required with --database-url (or DATABASE_URL)";
        Error::new(ErrorKind::BadUsage, what)
    })
}
