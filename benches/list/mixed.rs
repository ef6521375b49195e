//! Many different lists: filters, orders and pages, of which none is asked for again while its answer is cached. The
//! floors are pgbench with the service's statements for a sample of them, and the ready-made answer.

use std::{path::Path, sync::Arc, time::Duration};

use outbound_tasks::domain::{
    fields::OrderBy,
    limits::DEFAULT_LIMIT,
    order::{Direction, TaskOrder},
    status::TaskStatus,
    words::Word,
};

use crate::{
    Result,
    client::{Caller, GrpcCall, MixedCall},
    data::TENANT,
    floors::Script,
    lists::{Filter, List},
    load::{self, Measured},
    pages,
    run::Bench,
    service::Server,
    table::{Table, rate, refused},
};

/// Number of different lists.
const LISTS: usize = 10_000;
/// One of so many is compared with plain SQL, and is in pgbench's sample. It has no common divisor with the number of
/// combinations of filter and order, so the sample has all of them.
const SAMPLED: usize = 101;
/// Callers, and pgbench's clients in the same round.
const ROUNDS: [(usize, usize); 3] = [(8, 4), (32, 8), (64, 16)];
/// Minimum duration of pgbench, each of whose clients plans all statements first.
const FLOOR: Duration = Duration::from_secs(8);
/// The cache holds some hundred answers only, so that none is found again.
const ARGUMENTS: [&str; 2] = ["--list-cache", "1MiB"];

const FILTERS: [Filter; 5] = [
    pages::ALL,
    Filter {
        name: "pending",
        statuses: &[TaskStatus::Pending],
        range: None,
    },
    Filter {
        name: "running",
        statuses: &[TaskStatus::Running],
        range: None,
    },
    Filter {
        name: "active",
        statuses: &TaskStatus::ACTIVE,
        range: None,
    },
    Filter {
        name: "completed or failed",
        statuses: &[TaskStatus::Completed, TaskStatus::Failed],
        range: None,
    },
];

impl Bench<'_> {
    /// The table row about different lists.
    pub(crate) async fn different_lists(&self, dir: &Path, table: &mut Table) -> Result<()> {
        eprintln!("{LISTS} different lists");
        let (calls, scripts) = self.mix().await?;
        let service = Server::start(&self.service_url, dir, &ARGUMENTS).await?;
        let (mut best, mut ready_made, mut pgbench): (Option<(usize, Measured)>, f64, f64) =
            (None, 0.0, 0.0);
        for (callers, clients) in ROUNDS {
            let phase = self.settings.phase;
            let work = Caller::mixed(&service.address, callers, &calls).await?;
            let seen = load::closed(work, phase).await?;
            if best.as_ref().is_none_or(|(_, best)| best.rate < seen.rate) {
                best = Some((callers, seen));
            }
            let work = Caller::grpc(&self.ready_made.address, callers, &self.grpc).await?;
            ready_made = load::closed(work, phase).await?.rate.max(ready_made);
            let length = phase.measure.max(FLOOR);
            let tps = self.pgbench.run_mix(&scripts, clients, length);
            pgbench = tps.await?.max(pgbench);
        }
        let (callers, seen) = best.ok_or("there was no round")?;
        let both = 1.0 / (1.0 / pgbench + 1.0 / ready_made);
        table.row(
            &format!("gRPC, {LISTS} different lists, {callers} callers"),
            format!("{}{}", rate(seen.rate), refused(&seen)),
            Some((
                format!(
                    "L of pgbench {} and ready-made {}: {}",
                    rate(pgbench),
                    rate(ready_made),
                    rate(both)
                ),
                seen.rate / both,
            )),
        );
        Ok(())
    }

    /// The calls, and the statements of the sample.
    pub(crate) async fn mix(&self) -> Result<(Arc<Vec<MixedCall>>, Vec<Script>)> {
        let mut combinations = Vec::new();
        for filter in FILTERS {
            let total = List::new(filter, TaskOrder::default());
            let total = total.count(&self.sql, TENANT).await?;
            for by in OrderBy::all() {
                for direction in Direction::all() {
                    let mut list = List::new(filter, TaskOrder { by, direction });
                    list.total = total;
                    combinations.push(list);
                }
            }
        }
        let (mut calls, mut scripts) = (Vec::with_capacity(LISTS), Vec::new());
        for nth in 0..LISTS {
            let page = (nth / combinations.len()) as i64;
            let mut list = combinations[nth % combinations.len()].page(1 + page);
            let call = if nth.is_multiple_of(SAMPLED) {
                list.learn_page(&self.sql).await?;
                scripts.push(Script::of(TENANT, &list.request, &self.token_key)?);
                GrpcCall::learn(&self.target, &list).await?
            } else {
                GrpcCall::new(&self.target, &list)?
            };
            let rest = (list.total - page * DEFAULT_LIMIT).clamp(0, DEFAULT_LIMIT);
            calls.push(MixedCall {
                call,
                total: list.total,
                tasks: rest as usize,
            });
        }
        Ok((Arc::new(calls), scripts))
    }
}
