//! `outbound-tasks import`.

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    import_report::{self, counted},
    read_options::ReadArgs,
};
use crate::{
    app::{
        App,
        import::{Import as Options, ImportFormat, ImportProgress, OnConflict, ReadAs, Source},
    },
    config::Database,
    domain::tenant::TenantId,
    error::{Error, ErrorKind, Result, Violation},
};

/// How many bad records are printed one by one.
/// A file with a wrong column has a bad record in each line; the first ones show what is wrong.
const PRINTED: u64 = 100;

/// Import tasks from a file: all of them, or none
#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    database: Database,
    /// Input file; decompressed if its name ends in .gz or .zst; - is standard input
    file: PathBuf,
    /// Tenant of the tasks
    #[arg(long, env = "OUTBOUND_TASKS_TENANT", value_parser = TenantId::parse)]
    tenant: TenantId,
    /// Format of the file; by default csv, json or workbook (.xlsx, .xls, .ods) if its name ends so, else ndjson
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
    /// With --on-conflict replace: drop results of calls that a task has and its new record does not have. Without this
    /// flag, nothing is loaded if any result would be dropped
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_DROP_RESULTS")]
    drop_results: bool,
    /// Report what an import would do, and load nothing. It takes as long as the import, and the same locks
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_DRY_RUN")]
    dry_run: bool,
    /// Import the good records even if some are bad, and write the bad ones to this file, to be corrected and imported.
    /// In CSV, values that a spreadsheet would run as formulas get an apostrophe, as in exports
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_REJECTS", value_name = "FILE")]
    rejects: Option<PathBuf>,
}

impl Import {
    pub(super) async fn run(self) -> Result<()> {
        let app = App::new(&self.database.for_command()?)?;
        super::serve::check_schema(&app).await?;
        let mut options = Options::new(match self.file.as_os_str() == "-" {
            true => Source::Stdin,
            false => Source::File(self.file),
        });
        options.reading = self.reading.options();
        options.on_conflict = self.on_conflict;
        options.drop_results = self.drop_results;
        options.is_dry_run = self.dry_run;
        options.rejects = self.rejects;
        if let Some(format) = self.format {
            options.format = format;
        }
        import(&app, &self.tenant, options, super::serve::stop_signal()?).await
    }
}

/// Runs an import, and reports its progress and result on standard error. `dev` uses it for `--tasks`.
pub(super) async fn import(
    app: &App,
    tenant: &TenantId,
    options: Options,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let terminal = Arc::new(Terminal {
        // A document may be a single line, so the line number alone does not identify a record.
        is_numbered: options.format == ImportFormat::Json,
        ..Terminal::default()
    });
    let progress: Arc<dyn ImportProgress> = Arc::clone(&terminal) as _;
    let (time_zone, is_dry_run) = (options.reading.time_zone, options.is_dry_run);
    // The bar is removed before an error is returned, so that the message stands alone.
    let done = app.task_import(tenant, options, progress, stop).await;
    terminal.end();
    let report = done?;
    if is_dry_run {
        terminal.say("dry run: nothing was loaded; without --dry-run, the import would report:");
    }
    for line in import_report::loading(&report, time_zone) {
        terminal.say(&line);
    }
    if let Some(refusal) = report.refusal {
        return Err(Error::new(ErrorKind::FailedPrecondition, refusal));
    }
    if let Some(why) = report.not_vacuumed {
        tracing::warn!("the tables could not be vacuumed, so lists may be slow at first: {why}");
    }
    Ok(())
}

/// Reports progress and bad records. The bar is shown only if standard error is a terminal.
#[derive(Default)]
struct Terminal {
    is_numbered: bool,
    bar: OnceLock<ProgressBar>,
    bad: AtomicU64,
    read_as: OnceLock<ReadAs>,
}

impl Terminal {
    fn bar(&self) -> &ProgressBar {
        self.bar.get_or_init(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(200));
            show(&bar, "{spinner} {bytes} read, {msg}");
            bar
        })
    }

    /// Prints a line on standard error. A closed standard error does not make the import fail.
    fn say(&self, line: &str) {
        // The bar is taken away meanwhile, or it would be drawn into the line.
        self.bar().suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }

    fn end(&self) {
        self.bar().finish_and_clear();
        let unprinted = self.bad.load(Ordering::Relaxed).saturating_sub(PRINTED);
        if unprinted > 0 {
            self.say(&format!("and {unprinted} more bad records"));
        }
        for line in self
            .read_as
            .get()
            .map(import_report::reading)
            .unwrap_or_default()
        {
            self.say(&line);
        }
    }
}

/// Sets the template of a progress bar; an invalid template leaves the bar unchanged.
pub(super) fn show(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl ImportProgress for Terminal {
    fn size(&self, bytes: u64) {
        self.bar().set_length(bytes);
        show(
            self.bar(),
            "{bar:40} {bytes} of {total_bytes} read, {msg}, {eta} left",
        );
    }

    fn read(&self, bytes: u64) {
        self.bar().inc(bytes);
    }

    fn loaded(&self, tasks: u64) {
        let text = counted(tasks, "task loaded", "tasks loaded");
        self.bar().set_message(text);
    }

    fn read_as(&self, how: ReadAs) {
        // It comes once; another one would say the same.
        let _ = self.read_as.set(how);
    }

    fn bad(&self, line: u64, record: u64, violations: &[Violation]) {
        if self.bad.fetch_add(1, Ordering::Relaxed) >= PRINTED {
            return;
        }
        let violations: Vec<String> = violations
            .iter()
            .map(|v| format!("{} {}", v.field, v.description))
            .collect();
        let position = match self.is_numbered {
            true => format!("line {line}, task {record}"),
            false => format!("line {line}"),
        };
        self.say(&format!("{position}: {}", violations.join("; ")));
    }
}
