//! `outbound-tasks export`.

use std::{error::Error as _, path::PathBuf, time::Duration};

use chrono_tz::Tz;
use clap::{Arg, Args};
use indicatif::ProgressBar;

use super::{
    filter::{FilterArgs, OrderArgs},
    import_report::counted,
    import_terminal::show,
    terminal::{bad_usage, say},
};
use crate::{
    app::{
        App,
        export::{ExportFormat, Exported, FileForm, FileTimes, Sink},
    },
    config::{Database, zone},
    domain::{export::ExportRequest, tenant::TenantId, write::valid},
    error::{Error, ErrorKind, Result, Violations},
};

/// Export tasks with all of their targets and results to a file that `import` reads
#[derive(Debug, Args)]
#[command(mut_args = with_variable)]
pub(super) struct Export {
    #[command(flatten)]
    database: Database,
    /// Output file; compressed if its name ends in .gz or .zst, and created only when complete; - is standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Tenant of the tasks
    #[arg(long, env = "OUTBOUND_TASKS_TENANT", value_parser = TenantId::parse)]
    tenant: TenantId,
    /// Format of the file; by default csv or xlsx if its name ends so, else ndjson
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_FORMAT", value_enum)]
    format: Option<ExportFormat>,
    /// Form of times; those of a workbook are dates
    #[arg(
        long,
        env = "OUTBOUND_TASKS_EXPORT_TIME_FORMAT",
        value_enum,
        default_value_t
    )]
    time_format: FileTimes,
    /// Begin CSV with a byte order mark, by which Excel recognizes UTF-8
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_BOM")]
    bom: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// IANA time zone of bare dates, of local times and of the dates in a workbook
    #[arg(long, env = "OUTBOUND_TASKS_TIME_ZONE", default_value = "UTC", value_parser = zone)]
    time_zone: Tz,
    #[command(flatten)]
    order: OrderArgs,
}

/// Gives an option that has no environment variable one of the command's own: list and watch share
/// the flags of filter and order, but have no variables for them.
fn with_variable(option: Arg) -> Arg {
    if option.is_positional() || option.get_env().is_some() {
        return option;
    }
    let variable = format!(
        "OUTBOUND_TASKS_EXPORT_{}",
        option.get_id().as_str().to_uppercase()
    );
    option.env(variable)
}

impl Export {
    pub(super) async fn run(self) -> Result<()> {
        let is_stdout = self.file.as_os_str() == "-";
        let format = match self.format {
            Some(format) => format,
            None if is_stdout => ExportFormat::Ndjson,
            None => ExportFormat::of(&self.file).ok_or_else(|| {
                let why = "import reads a .json file as one document, and an .xls, .xlsm, .xlsb or .ods file as that kind of workbook; name the file .ndjson, .csv or .xlsx, or set --format";
                Error::new(ErrorKind::BadUsage, why)
            })?,
        };
        let sink = match is_stdout {
            true => Sink::Stdout,
            false => Sink::File(self.file),
        };
        let form = FileForm {
            format,
            times: self.time_format,
            zone: self.time_zone,
            bom: self.bom,
        };
        let mut violations = Violations::new();
        form.check(&mut violations);
        let request = ExportRequest {
            filter: self
                .filter
                .check(self.time_zone, "end_date", &mut violations),
            order: self.order.get(),
            target_limit: None,
        };
        valid(violations).map_err(bad_usage)?;
        let app = App::new(&self.database.for_command()?)?;
        super::serve::check_schema(&app).await?;
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        show(&bar, "{spinner} {msg}, {elapsed}");
        let summary = |Exported { tasks, targets }| {
            let tasks = counted(tasks, "task", "tasks");
            format!("{tasks} with {}", counted(targets, "target", "targets"))
        };
        let progress = |exported| bar.set_message(summary(exported));
        let stop = super::serve::stop_signal()?;
        let done = app
            .task_export_to(&self.tenant, request, sink, form, progress, stop)
            .await;
        bar.finish_and_clear();
        let done = match done {
            // The reader of the pipe has enough.
            Err(error) if is_stdout && is_closed(&error) => return Ok(()),
            done => done?,
        };
        say(&format!("exported {}", summary(done)));
        Ok(())
    }
}

/// Whether a pipe was closed by its reader.
fn is_closed(error: &Error) -> bool {
    let cause = error.source();
    let cause = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
