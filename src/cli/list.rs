//! `outbound-tasks list`.

use std::time::Duration;

use clap::Args;
use tonic::Request;

use super::{
    client::{Connector, Filters, Form, OutputFormat, Record, Table, mask, task_status, write},
    filter::OrderArgs,
    import_report::counted,
};
use crate::{
    app::json::{StatusCounts, push_line},
    config::Service,
    domain::{
        fields::TaskField,
        filter::TaskFilter,
        limits::{DEFAULT_LIMIT, MAX_LIMIT},
        list::CountMode,
        order::TaskOrder,
        target::TargetSums,
        words::Word,
    },
    error::Result,
    grpc::{list_message, read_target_sums},
    pb,
};

/// The deadline of each call: the longest one that a service allows by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// List the tasks of a running service
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    service: Service,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    form: Form,
    /// Page number, from 1
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    page: Option<i32>,
    /// Maximum number of tasks per page, 1 to 1000; by default 20, or 1000 with --all
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=MAX_LIMIT))]
    limit: Option<i32>,
    /// Print all pages, from the first to the last
    #[arg(long, conflicts_with = "page")]
    all: bool,
    #[command(flatten)]
    order: OrderArgs,
    /// Whether to count all matching tasks: exact or none; ndjson output has no total
    #[arg(long, default_value = "exact", value_parser = CountMode::parse)]
    count: CountMode,
    /// Also print the number of tasks in each status, regardless of --status; in ndjson as a last line
    #[arg(long)]
    status_counts: bool,
    /// Also print the number of targets of all matching tasks in each state; in ndjson as a part of the last line
    #[arg(long)]
    target_sums: bool,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let zone = self.form.zone();
        let fields = self.filters.fields();
        let mut table = match self.form.format() {
            OutputFormat::Table => Some(Table::new(&fields, zone)),
            OutputFormat::Ndjson => None,
        };
        // Only fields and counts that are printed are requested.
        let count = match table {
            Some(_) => self.count,
            None => CountMode::None,
        };
        let fields = table.as_ref().map_or(fields, |t| t.columns().to_vec());
        let mut request = self.request(&self.filters.check(zone)?, &fields, count);
        let connector = Connector::new(&self.service)?;
        let mut client = connector.connect().await?;
        let mut summary: Option<Summary> = None;
        loop {
            let mut call = Request::new(request.clone());
            call.set_timeout(TIMEOUT);
            let answer = client.list_outbound_tasks(call).await;
            let was_answered = summary.is_some();
            let page = answer.map_err(|status| connector.refused(&status, was_answered))?;
            let page = page.into_inner();
            let tasks = page.tasks.iter();
            let tasks = tasks.map(|task| Record::new(task, fields.iter().copied().collect()));
            let tasks = tasks.collect::<Result<Vec<_>>>()?;
            let text = match &mut table {
                Some(table) => table.lay_out(&tasks).into_bytes(),
                None => lines(&tasks),
            };
            if !write(text).await? {
                return Ok(());
            }
            // The total and the status counts come with the first page.
            let summary = summary.get_or_insert(Summary {
                total: page.total,
                status_counts: page.status_counts,
                target_sums: page.target_sums.map(read_target_sums),
            });
            if self.all && !page.next_page_token.is_empty() {
                request.page_token = page.next_page_token;
                // The first page has the total and the counts; the others need not compute them
                // again.
                request.count = CountMode::None as i32;
                request.status_counts = false;
                request.target_sums = false;
                continue;
            }
            let text = match &table {
                Some(table) => {
                    let summary = self.summary(summary, count, zone, table.left_out())?;
                    summary.into_bytes()
                }
                None => summary.line()?,
            };
            write(text).await?;
            return Ok(());
        }
    }

    fn request(
        &self,
        filter: &TaskFilter,
        fields: &[TaskField],
        count: CountMode,
    ) -> pb::ListOutboundTasksRequest {
        let TaskOrder { by, direction } = self.order.get();
        pb::ListOutboundTasksRequest {
            page: self.page.unwrap_or_default(),
            limit: self.limit(),
            order_by: by as i32,
            order: direction as i32,
            target_limit: self.filters.target_limit,
            status_counts: self.status_counts,
            target_sums: self.target_sums,
            read_mask: mask(fields),
            count: count as i32,
            ..list_message(filter)
        }
    }

    fn limit(&self) -> i32 {
        let most = if self.all { MAX_LIMIT } else { DEFAULT_LIMIT };
        self.limit.unwrap_or(most as i32) // 1000 or 20
    }

    /// The lines below a table: total, page, time zone, status counts.
    fn summary(
        &self,
        summary: &Summary,
        count: CountMode,
        zone: chrono_tz::Tz,
        left_out: &[TaskField],
    ) -> Result<String> {
        let mut parts = Vec::new();
        if count == CountMode::Exact {
            // The API never returns a negative total.
            let total = u64::try_from(summary.total).unwrap_or_default();
            parts.push(counted(total, "task", "tasks"));
        }
        if !self.all {
            let page = self.page.unwrap_or(1);
            parts.push(match count {
                CountMode::Exact => {
                    let pages = (summary.total - 1).max(0) / self.limit() + 1;
                    format!("page {page} of {pages}")
                }
                CountMode::None => format!("page {page}"),
            });
        }
        parts.push(format!("times in {zone}"));
        if !left_out.is_empty() {
            let words = left_out.iter().map(|field| field.word());
            let words = words.collect::<Vec<_>>().join(", ");
            parts.push(format!(
                "no space for {words} (select columns with --fields)"
            ));
        }
        let mut text = format!("{}\n", parts.join(", "));
        if !summary.status_counts.is_empty() {
            let counts = summary.status_counts.iter();
            let counts = counts.map(|c| Ok(format!("{} {}", task_status(c.status)?, c.count)));
            text += &format!("{}\n", counts.collect::<Result<Vec<_>>>()?.join(", "));
        }
        if let Some(sums) = &summary.target_sums {
            let TargetSums {
                total,
                pending,
                answered,
                no_answer,
                busy,
                failed,
                skipped,
            } = sums;
            text += &format!(
                "{total} targets: pending {pending}, answered {answered}, no_answer {no_answer}, busy {busy}, \
                 failed {failed}, skipped {skipped}\n"
            );
        }
        Ok(text)
    }
}

/// The numbers about all matching tasks.
struct Summary {
    total: i32,
    status_counts: Vec<pb::TaskStatusCount>,
    target_sums: Option<TargetSums>,
}

impl Summary {
    /// The last line of NDJSON output; empty if neither status counts nor sums were asked for.
    fn line(&self) -> Result<Vec<u8>> {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            #[serde(skip_serializing_if = "StatusCounts::is_empty")]
            status_counts: StatusCounts<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            target_sums: Option<TargetSums>,
        }
        let counts = self.status_counts.iter();
        let counts = counts.map(|c| Ok((task_status(c.status)?, c.count)));
        let counts = counts.collect::<Result<Vec<_>>>()?;
        let line = Line {
            status_counts: StatusCounts(&counts),
            target_sums: self.target_sums,
        };
        let mut text = Vec::new();
        if !counts.is_empty() || line.target_sums.is_some() {
            push_line(&line, &mut text);
        }
        Ok(text)
    }
}

fn lines(tasks: &[Record<'_>]) -> Vec<u8> {
    let mut text = Vec::new();
    for task in tasks {
        push_line(task, &mut text);
    }
    text
}
