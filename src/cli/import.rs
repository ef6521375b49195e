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

use crate::{
    app::{
        App,
        import::{Import as Options, ImportFormat, ImportProgress, OnConflict, Source},
    },
    config::Database,
    domain::tenant::TenantId,
    error::{Result, Violation},
};

/// How many bad records are told one by one.
const TOLD: u64 = 100;

/// Load tasks from a file: all of them, or nothing
#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    database: Database,
    /// The file, decompressed where its name ends in .gz or .zst; - is standard input
    file: PathBuf,
    /// Whose tasks they are
    #[arg(long, env = "OUTBOUND_TASKS_TENANT", value_parser = TenantId::parse)]
    tenant: TenantId,
    /// What the file holds; without it, what its name says: .csv, .json, else ndjson
    #[arg(long, env = "OUTBOUND_TASKS_IMPORT_FORMAT", value_enum)]
    format: Option<ImportFormat>,
    /// What to do with a record whose task_id is taken, by a task or by an earlier record
    #[arg(
        long,
        env = "OUTBOUND_TASKS_IMPORT_ON_CONFLICT",
        value_enum,
        default_value = "fail"
    )]
    on_conflict: OnConflict,
    /// Load the good records even if some are bad; those go to this file as they are, to be repaired and imported; in
    /// CSV with apostrophes before what a spreadsheet would run, as an export writes them
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
        options.on_conflict = self.on_conflict;
        options.rejects = self.rejects;
        if let Some(format) = self.format {
            options.format = format;
        }
        import(&app, &self.tenant, options, super::serve::stop_signal()?).await
    }
}

/// Imports, and tells on standard error how it goes and what came of it. `dev` does the same with its `--tasks`.
pub(super) async fn import(
    app: &App,
    tenant: &TenantId,
    options: Options,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let terminal = Arc::new(Terminal {
        // A whole document may be one line.
        is_numbered: options.format == ImportFormat::Json,
        ..Terminal::default()
    });
    let progress: Arc<dyn ImportProgress> = Arc::clone(&terminal) as _;
    let done = app.task_import(tenant, options, progress, stop).await;
    terminal.end();
    let report = done?;
    let loaded = report.loaded;
    terminal.say(&format!(
        "loaded {} with {}",
        counted(loaded.tasks, "task", "tasks"),
        counted(loaded.targets, "target", "targets")
    ));
    let rejected = counted(report.rejected, "bad record", "bad records");
    let skipped = counted(report.skipped, "record", "records");
    let replaced = counted(report.replaced, "task", "tasks");
    let trimmed = counted(report.trimmed, "value", "values");
    let repeated = counted(report.repeated, "repeated customer", "repeated customers");
    for (count, line) in [
        (
            report.skipped,
            format!("skipped {skipped} whose task_id was taken"),
        ),
        (report.replaced, format!("replaced {replaced}")),
        (
            report.rejected,
            format!("wrote {rejected} to the file of rejects"),
        ),
        (
            report.repeated,
            format!("dropped {repeated}, each kept once in its task"),
        ),
        (
            report.trimmed,
            format!("took the blanks around {trimmed} off"),
        ),
    ] {
        if count > 0 {
            terminal.say(&line);
        }
    }
    if let Some(why) = report.not_vacuumed {
        tracing::warn!("the tables could not be vacuumed, lists may be slow at first: {why}");
    }
    Ok(())
}

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Tells how the import goes. The bar shows only where standard error is a terminal.
#[derive(Default)]
struct Terminal {
    is_numbered: bool,
    bar: OnceLock<ProgressBar>,
    bad: AtomicU64,
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

    /// A line on standard error; where nobody takes it, that is no failure of the import.
    fn say(&self, line: &str) {
        self.bar().suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }

    fn end(&self) {
        self.bar().finish_and_clear();
        let untold = self.bad.load(Ordering::Relaxed).saturating_sub(TOLD);
        if untold > 0 {
            self.say(&format!("and {untold} more bad records"));
        }
    }
}

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

    fn bad(&self, line: u64, record: u64, faults: &[Violation]) {
        if self.bad.fetch_add(1, Ordering::Relaxed) >= TOLD {
            return;
        }
        let faults: Vec<String> = faults
            .iter()
            .map(|f| format!("{} {}", f.field, f.description))
            .collect();
        let place = match self.is_numbered {
            true => format!("line {line}, task {record}"),
            false => format!("line {line}"),
        };
        self.say(&format!("{place}: {}", faults.join("; ")));
    }
}
