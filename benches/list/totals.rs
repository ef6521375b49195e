//! The exact total in the database alone: random statuses and ranges, to the second, of the large and the small tenant.

use std::time::Instant;

use chrono::TimeDelta;
use fastrand::Rng;
use outbound_tasks::domain::{
    date_range::DateField, order::TaskOrder, status::TaskStatus, words::Word,
};
use tokio_postgres::Client;

use crate::{
    Result,
    data::{self, SMALL_TENANT, TENANT},
    floors::{self, Script},
    lists::{Filter, List, month},
    load::Measured,
    run::Bench,
    table::{Table, quantiles},
};

/// Number of totals, and of those that are compared with a plain count.
const ASKED: usize = 2_000;
const COUNTED: usize = 20;
const SECONDS_OF_FOUR_YEARS: i64 = 1461 * 86_400;

impl Bench<'_> {
    /// The table rows about totals.
    pub(crate) async fn totals(&self, table: &mut Table) -> Result<()> {
        eprintln!("totals");
        let url = format!(
            "{}&options={}",
            self.url,
            floors::options().replace(' ', "%20").replace('=', "%3D")
        );
        let sql = data::connect(&url).await?;
        for (what, field) in [
            ("any statuses", None),
            (
                "any statuses, any range on start_time",
                Some(DateField::StartTime),
            ),
            (
                "any statuses, any range on created_at",
                Some(DateField::CreatedAt),
            ),
            (
                "any statuses, any range on end_time",
                Some(DateField::EndTime),
            ),
        ] {
            let mut random = Rng::with_seed(self.settings.seed as u64);
            let mut seen = [Measured::new()?, Measured::new()?];
            let name = field.map_or("in_all", |field| field.word());
            for nth in 0..ASKED {
                let list = random_list(&mut random, field);
                for (tenant, seen) in [TENANT, SMALL_TENANT].into_iter().zip(&mut seen) {
                    let script =
                        Script::of(tenant, &list.request, &self.token_key)?.total_alone()?;
                    if nth == 0 && tenant == TENANT {
                        sql.batch_execute(&script.prepare(name)).await?;
                    }
                    let asked = Instant::now();
                    let total = total(&sql, &script.execute(name)).await?;
                    seen.note(true, true, asked.elapsed())?;
                    if nth < COUNTED && total != list.count(&self.sql, tenant).await? {
                        return Err(
                            format!("a total of {tenant} is wrong: {:?}", list.request).into()
                        );
                    }
                }
            }
            let [large, small] = seen;
            table.row(
                &format!("total in the database, {what}: p50 / p90 / p99"),
                quantiles(&large),
                Some((
                    format!("10,000 tasks: {:.2} ms", small.millis(0.5)),
                    large.millis(0.5) / small.millis(0.5),
                )),
            );
        }
        Ok(())
    }
}

fn random_list(random: &mut Rng, field: Option<DateField>) -> List {
    let mut list = List::new(Filter::default(), TaskOrder::default());
    list.request.filter.statuses = TaskStatus::all().filter(|_| random.bool()).collect();
    if let Some(field) = field {
        let mut instant =
            || month(2022, 1) + TimeDelta::seconds(random.i64(0..SECONDS_OF_FOUR_YEARS));
        let (one, other) = (instant(), instant());
        list.request.filter.date_field = field;
        list.request.filter.start = Some(one.min(other));
        // Never empty.
        list.request.filter.end = Some(one.max(other) + TimeDelta::seconds(1));
    }
    list
}

/// Runs SQL that returns one number.
async fn total(sql: &Client, statement: &str) -> Result<i64> {
    for message in sql.simple_query(statement).await? {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            return Ok(row.get(0).ok_or("the total is missing")?.parse()?);
        }
    }
    Err("the total's statement answered no row".into())
}
