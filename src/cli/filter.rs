//! The flags that say which tasks a command is about, and in which order.

use chrono_tz::Tz;
use clap::Args;

use crate::{
    domain::{
        attention::{Attention, StalledAfter},
        date_range::DateField,
        fields::OrderBy,
        filter::{FilterRequest, TaskFilter},
        order::{Direction, TaskOrder},
        status::StatusSet,
        time::{self, Moment},
        words::Word,
    },
    error::{Violation, Violations},
};

/// Which tasks.
#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only tasks with these statuses; active means pending, running and paused; repeat or separate
    /// by commas
    #[arg(long, value_delimiter = ',', value_parser = StatusSet::from_word)]
    status: Vec<StatusSet>,
    /// Only tasks at or after this time: RFC 3339, or a bare date
    #[arg(long, visible_alias = "start", value_parser = Moment::parse)]
    start_date: Option<Moment>,
    /// Only tasks before this time; a bare date includes the whole day
    #[arg(long, visible_alias = "end", value_parser = Moment::parse)]
    end_date: Option<Moment>,
    /// Time that the dates are compared with: start_time, end_time, created_at, updated_at or
    /// window
    #[arg(long, default_value = "start_time", value_parser = DateField::parse)]
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
    /// Only tasks with this label: KEY, or KEY=VALUE; repeat for more, all of which a task must have
    #[arg(long)]
    label: Vec<String>,
    /// Only tasks in need of attention for one of these reasons: overdue, stalled, finished_unended, unstarted or empty;
    /// repeat or separate by commas
    #[arg(long, value_delimiter = ',', value_parser = Attention::parse)]
    attention: Vec<Attention>,
    /// How long a running task must be without a result to be stalled, such as 90s or 1h; by default 15m
    #[arg(long, value_parser = StalledAfter::parse)]
    stalled_after: Option<i64>,
}

impl FilterArgs {
    /// The checked filter, with a violation for every invalid value; `end` names the end of the
    /// range in one. Bare dates are days in `zone`.
    pub(super) fn check(&self, zone: Tz, end: &str, violations: &mut Violations) -> TaskFilter {
        let Self {
            status,
            start_date,
            end_date,
            date_field,
            customer_id,
            name,
            task_id,
            label,
            attention,
            stalled_after,
        } = self;
        let bounds = time::bounds(*start_date, *end_date, zone);
        let (start, end) = bounds.unwrap_or_else(|why| {
            violations.push(Violation::new(end, why));
            (None, None)
        });
        let request = FilterRequest {
            statuses: status.iter().copied().flat_map(StatusSet::iter).collect(),
            date_field: *date_field,
            start,
            end,
            customer_id: customer_id.clone(),
            name: name.clone(),
            task_ids: task_id.clone(),
            labels: label.clone(),
            attention: attention.iter().copied().collect(),
            stalled_after: *stalled_after,
        };
        request.check("", violations)
    }
}

/// In which order.
#[derive(Debug, Args)]
pub(super) struct OrderArgs {
    /// Order: start_time, task_id, end_time, created_at, updated_at, name or progress
    #[arg(long, default_value = "start_time", value_parser = OrderBy::parse)]
    order_by: OrderBy,
    /// Direction of the order: asc or desc
    #[arg(long, default_value = "asc", value_parser = Direction::parse)]
    order: Direction,
}

impl OrderArgs {
    /// The order.
    pub(super) fn get(&self) -> TaskOrder {
        TaskOrder {
            by: self.order_by,
            direction: self.order,
        }
    }
}
