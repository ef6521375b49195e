//! `outbound-tasks export`.

use std::{io::Write, path::PathBuf, time::Duration};

use chrono_tz::Tz;
use clap::Args;
use indicatif::ProgressBar;

use super::{
    import::{counted, show},
    words,
};
use crate::{
    app::{
        App,
        export::{ExportFormat, Exported, Sink},
    },
    config::Database,
    domain::{
        export::ExportRequest,
        filter::{DateField, Direction, FilterRequest, OrderBy, TaskOrder},
        status::StatusSet,
        tenant::TenantId,
        time::{self, Moment},
        write::valid,
    },
    error::{Error, ErrorKind, Result, Violation, Violations},
};

/// Export tasks with all of their targets and results to a file that `import` reads
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    database: Database,
    /// Output file; compressed if its name ends in .gz or .zst, and created only when complete; - is standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Tenant of the tasks
    #[arg(long, env = "OUTBOUND_TASKS_TENANT", value_parser = TenantId::parse)]
    tenant: TenantId,
    /// Format of the file; by default csv if its name ends in .csv, else ndjson
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_FORMAT", value_enum)]
    format: Option<ExportFormat>,
    /// Only tasks with these statuses; active means pending, running and paused; repeat or separate by commas
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_STATUS", value_delimiter = ',', value_parser = StatusSet::from_word)]
    status: Vec<StatusSet>,
    /// Only tasks at or after this time: RFC 3339, or a bare date
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_START_DATE", value_parser = Moment::parse)]
    start_date: Option<Moment>,
    /// Only tasks before this time; a bare date includes the whole day
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_END_DATE", value_parser = Moment::parse)]
    end_date: Option<Moment>,
    /// Time that the dates are compared with: start_time, end_time, created_at, updated_at or window
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_DATE_FIELD", default_value = "start_time", value_parser = words::date_field)]
    date_field: DateField,
    /// Only tasks with this customer among their targets
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_CUSTOMER_ID")]
    customer_id: Option<String>,
    /// Only tasks with this text in their name, ignoring case
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_NAME")]
    name: Option<String>,
    /// Only the task with this id; repeat for more
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_TASK_ID")]
    task_id: Vec<String>,
    /// IANA time zone of bare dates
    #[arg(long, env = "OUTBOUND_TASKS_TIME_ZONE", default_value = "UTC")]
    time_zone: Tz,
    /// Order: start_time, task_id, end_time, created_at, updated_at, name or progress
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_ORDER_BY", default_value = "start_time", value_parser = words::order_by)]
    order_by: OrderBy,
    /// Direction of the order: asc or desc
    #[arg(long, env = "OUTBOUND_TASKS_EXPORT_ORDER", default_value = "asc", value_parser = words::direction)]
    order: Direction,
}

impl Export {
    pub(super) async fn run(self) -> Result<()> {
        let is_stdout = self.file.as_os_str() == "-";
        let format = match self.format {
            Some(format) => format,
            None if is_stdout => ExportFormat::Ndjson,
            None => ExportFormat::of(&self.file).ok_or_else(|| {
                let why = "import reads a .json file as one document; name the file .ndjson, or set --format";
                Error::new(ErrorKind::BadUsage, why)
            })?,
        };
        let sink = match is_stdout {
            true => Sink::Stdout,
            false => Sink::File(self.file),
        };
        let (start, end) = time::bounds(self.start_date, self.end_date, self.time_zone)
            .map_err(|why| Error::invalid(vec![Violation::new("end_date", why)]))?;
        let filter = FilterRequest {
            statuses: self.status.into_iter().flat_map(StatusSet::iter).collect(),
            date_field: self.date_field,
            start,
            end,
            customer_id: self.customer_id,
            name: self.name,
            task_ids: self.task_id,
        };
        let mut violations = Violations::new();
        let filter = filter.check("", &mut violations);
        valid(violations)?;
        let request = ExportRequest {
            filter,
            order: TaskOrder {
                by: self.order_by,
                direction: self.order,
            },
            target_limit: None,
        };
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
            .task_export_to(&self.tenant, request, sink, format, progress, stop)
            .await;
        bar.finish_and_clear();
        let line = format!("exported {}", summary(done?));
        // A closed standard error does not make the export fail.
        let _ = writeln!(std::io::stderr(), "{line}");
        Ok(())
    }
}
