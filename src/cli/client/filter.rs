//! The list's filters as flags.

use chrono::Datelike;
use chrono_tz::Tz;
use clap::Args;
use prost_types::FieldMask;

use crate::{
    cli::words,
    domain::{
        fields::TaskField,
        filter::{DateField, DateFilter, FilterRequest, TaskFilter},
        status::StatusSet,
        time::{self, Moment},
    },
    error::{Error, ErrorKind, Result, Violation, Violations},
    grpc::timestamp,
    pb,
};

/// Which tasks, and what of each.
#[derive(Debug, Args)]
pub(in crate::cli) struct Filters {
    /// Only these statuses; active is pending, running and paused; repeat or separate by commas
    #[arg(long, value_delimiter = ',', value_parser = StatusSet::from_word)]
    status: Vec<StatusSet>,
    /// Only from this time on: RFC 3339, or a bare date
    #[arg(long, visible_alias = "start-date", value_parser = Moment::parse)]
    start: Option<Moment>,
    /// Only before this time; a bare date is taken in whole
    #[arg(long, visible_alias = "end-date", value_parser = Moment::parse)]
    end: Option<Moment>,
    /// What the dates are held against: start_time, end_time, created_at, updated_at or window
    #[arg(long, default_value = "start_time", value_parser = words::date_field)]
    date_field: DateField,
    /// Only tasks that call this customer
    #[arg(long)]
    customer_id: Option<String>,
    /// Only tasks whose name contains this, in any case
    #[arg(long)]
    name: Option<String>,
    /// Only the task of this id; repeat for more
    #[arg(long)]
    task_id: Vec<String>,
    /// Only these fields of each task, as task_id,name,status; repeat or separate by commas
    #[arg(long, value_delimiter = ',', value_parser = TaskField::parse)]
    fields: Vec<TaskField>,
    /// Most customer ids in each task's target: 0 to 100
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..=100))]
    pub(in crate::cli) target_limit: Option<i32>,
}

impl Filters {
    /// The filter, as the service is to be asked; bad usage where the service would refuse it.
    pub(in crate::cli) fn check(&self, zone: Tz) -> Result<pb::TaskFilter> {
        let mut faults = Violations::new();
        let (start, end) = time::bounds(self.start, self.end, zone).unwrap_or_else(|why| {
            faults.push(Violation::new("end", why));
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
        let filter = request.check("", &mut faults);
        match faults.is_empty() {
            true => Ok(message(filter)),
            false => {
                let error = Error::invalid(faults);
                Err(Error::new(ErrorKind::BadUsage, error.message()))
            }
        }
    }

    /// The fields that were asked for, each once; none means all.
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

/// What asks for these fields alone.
pub(in crate::cli) fn mask(fields: &[TaskField]) -> Option<FieldMask> {
    let paths = fields.iter().map(|field| field.word().to_owned());
    Some(FieldMask {
        paths: paths.collect(),
    })
}

fn message(filter: TaskFilter) -> pb::TaskFilter {
    let TaskFilter {
        statuses,
        date,
        customer_id,
        name,
        task_ids,
    } = filter;
    let (date_field, range) = match date {
        None => (0, None),
        Some(DateFilter { field, range }) => {
            let (start, end) = range.bounds();
            // A bare date can reach beyond the years that a message may name, where no task lies: that side is open.
            let start = start.filter(|t| t.year() >= 1).map(timestamp);
            let end = end.filter(|t| t.year() <= 9999).map(timestamp);
            (field as i32, Some(pb::DateRange { start, end }))
        }
    };
    pb::TaskFilter {
        status: statuses.iter().map(|status| status as i32).collect(),
        date_range: range,
        date_field,
        customer_id: customer_id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        task_ids,
    }
}
