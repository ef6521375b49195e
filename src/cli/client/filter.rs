//! The flags of `list` and `watch` that filter tasks and select fields.

use chrono_tz::Tz;
use clap::Args;
use prost_types::FieldMask;

use crate::{
    cli::{filter::FilterArgs, terminal::bad_usage},
    domain::{fields::TaskField, filter::TaskFilter, words::Word, write::valid},
    error::{Result, Violations},
};

/// Which tasks, and which fields of each.
#[derive(Debug, Args)]
pub(in crate::cli) struct Filters {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only these fields of each task, such as task_id,name,status; repeat or separate by commas
    #[arg(long, value_delimiter = ',', value_parser = TaskField::parse)]
    fields: Vec<TaskField>,
    /// Maximum number of customer ids in the target of each task: 0 to 100
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..=100))]
    pub(in crate::cli) target_limit: Option<i32>,
}

impl Filters {
    /// The filter; BAD_USAGE if the service would reject it.
    pub(in crate::cli) fn check(&self, zone: Tz) -> Result<TaskFilter> {
        let mut violations = Violations::new();
        let filter = self.filter.check(zone, "end", &mut violations);
        valid(violations).map_err(bad_usage)?;
        Ok(filter)
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
