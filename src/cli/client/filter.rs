//! The flags of `list` and `watch` that filter tasks and select fields.

use chrono::Datelike;
use chrono_tz::Tz;
use clap::Args;
use prost_types::FieldMask;

use crate::{
    cli::words,
    domain::{
        fields::TaskField,
        filter::{Condition, DateField, DateFilter, FilterRequest, TaskFilter},
        status::StatusSet,
        time::{self, Moment},
    },
    error::{Error, ErrorKind, Result, Violation, Violations},
    grpc::timestamp,
    pb,
};

/// Which tasks, and which fields of each.
#[derive(Debug, Args)]
pub(in crate::cli) struct Filters {
    /// Only tasks with these statuses; active means pending, running and paused; repeat or separate by commas
    #[arg(long, value_delimiter = ',', value_parser = StatusSet::from_word)]
    status: Vec<StatusSet>,
    /// Only tasks at or after this time: RFC 3339, or a bare date
    #[arg(long, visible_alias = "start-date", value_parser = Moment::parse)]
    start: Option<Moment>,
    /// Only tasks before this time; a bare date includes the whole day
    #[arg(long, visible_alias = "end-date", value_parser = Moment::parse)]
    end: Option<Moment>,
    /// Time that the dates are compared with: start_time, end_time, created_at, updated_at or window
    #[arg(long, default_value = "start_time", value_parser = words::date_field)]
    date_field: DateField,
    /// Only tasks with this customer among their targets
    #[arg(long)]
    customer_id: Option<String>,
    /// Only tasks with this text in their name, ignoring case
    #[arg(long)]
    name: Option<String>,
    /// Only the task with this id; repeat for more
    #[arg(long)]
    task_id: Vec<String>,
    /// Only these fields of each task, such as task_id,name,status; repeat or separate by commas
    #[arg(long, value_delimiter = ',', value_parser = TaskField::parse)]
    fields: Vec<TaskField>,
    /// Maximum number of customer ids in the target of each task: 0 to 100
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..=100))]
    pub(in crate::cli) target_limit: Option<i32>,
}

impl Filters {
    /// The filter as a request message; BAD_USAGE if the service would reject it.
    pub(in crate::cli) fn check(&self, zone: Tz) -> Result<pb::TaskFilter> {
        let mut violations = Violations::new();
        let (start, end) = time::bounds(self.start, self.end, zone).unwrap_or_else(|why| {
            violations.push(Violation::new("end", why));
            (None, None)
        });
        let statuses = self.status.iter().copied();
        let request = FilterRequest {
            statuses: statuses.flat_map(StatusSet::iter).collect(),
            date_field: self.date_field,
            start,
            end,
            customer_id: self.customer_id.clone(),
            name: self.name.clone(),
            task_ids: self.task_id.clone(),
        };
        let filter = request.check("", &mut violations);
        match violations.is_empty() {
            true => Ok(message(&filter)),
            false => {
                let error = Error::invalid(violations);
                Err(Error::new(ErrorKind::BadUsage, error.message()))
            }
        }
    }

    /// The selected fields without duplicates; empty means all.
    pub(in crate::cli) fn fields(&self) -> Vec<TaskField> {
        let mut fields = Vec::new();
        for field in &self.fields {
            if !fields.contains(field) {
                fields.push(*field);
            }
        }
        fields
    }
}

/// The field mask for these fields.
pub(in crate::cli) fn mask(fields: &[TaskField]) -> Option<FieldMask> {
    let paths = fields.iter().map(|field| field.word().to_owned());
    Some(FieldMask {
        paths: paths.collect(),
    })
}

fn message(filter: &TaskFilter) -> pb::TaskFilter {
    let mut message = pb::TaskFilter::default();
    for condition in filter.conditions() {
        match condition {
            Condition::Status(statuses) => {
                message.status = statuses.iter().map(|status| status as i32).collect();
            }
            Condition::Date(DateFilter { field, range }) => {
                let (start, end) = range.bounds();
                // A bare date near the limits can exceed the years of a Timestamp. No task is there, so that side stays
                // open.
                let start = start.filter(|t| t.year() >= 1).map(timestamp);
                let end = end.filter(|t| t.year() <= 9999).map(timestamp);
                message.date_field = field as i32;
                message.date_range = Some(pb::DateRange { start, end });
            }
            Condition::Customer(customer_id) => message.customer_id = customer_id.to_owned(),
            Condition::NamePart(part) => message.name = part.to_owned(),
            Condition::Id(task_ids) => message.task_ids = task_ids.as_slice().to_vec(),
        }
    }
    message
}
