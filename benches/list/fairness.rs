//! Fairness: the latency of one tenant's lists, alone and beside a tenant whose many callers use all that they get.
//!
//! There are two floors: the same beside a tenant with one caller, the least that its statements cost others whoever divides what
//! there is; and beside a thread that only keeps a processor busy, what the scheduler of these processors makes of any such load.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use outbound_tasks::{
    domain::order::TaskOrder,
    pb::{
        ListOutboundTasksRequest, TaskOrderBy,
        outbound_task_service_client::OutboundTaskServiceClient,
    },
};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    Result,
    client::{Caller, GrpcCall, Target, connect},
    data::SMALL_TENANT,
    lists::{Filter, List},
    load::{self, Measured, Phase},
    run::{Bench, key_of},
    table::{Table, quantiles},
};

/// Callers of the greedy tenant.
const GREEDY: usize = 40;
/// Callers and calls per second of the other tenant.
const CALLERS: usize = 8;
const RATE: f64 = 100.0;
const ROUNDS: usize = 3;

impl Bench<'_> {
    /// The table rows about fairness. The service must have no list cache.
    pub(crate) async fn fairness(&self, table: &mut Table) -> Result<()> {
        let small = Target {
            address: self.service.address.clone(),
            key: key_of(&self.url, SMALL_TENANT).await?,
        };
        let mut list = List::new(Filter::default(), TaskOrder::default());
        list.learn_of(&self.sql, SMALL_TENANT).await?;
        let call = Arc::new(GrpcCall::learn(&small, &list).await?);
        let alone = self.small(&call).await?;
        let busy = self.beside_a_busy_thread(&call).await?;
        table.row(
            "a tenant's page 1 beside a thread that keeps a processor busy: p50 / p90 / p99",
            quantiles(&busy),
            Some((
                format!("p99 alone {:.2} ms", alone.millis(0.99)),
                busy.millis(0.99) / alone.millis(0.99),
            )),
        );
        let middle = (self.settings.tasks / 40) as i32;
        let by_name = ListOutboundTasksRequest {
            order_by: TaskOrderBy::Name.into(),
            ..ListOutboundTasksRequest::default()
        };
        for (what, message) in [
            (
                "a search for names with an a",
                ListOutboundTasksRequest {
                    name: "a".to_owned(),
                    ..ListOutboundTasksRequest::default()
                },
            ),
            (
                "the same with status_counts",
                ListOutboundTasksRequest {
                    name: "a".to_owned(),
                    status_counts: true,
                    ..ListOutboundTasksRequest::default()
                },
            ),
            (
                "the middle page by name",
                ListOutboundTasksRequest {
                    page: middle,
                    ..by_name
                },
            ),
        ] {
            eprintln!("fairness: {what}");
            let floor = self.beside(&message, 1, &call).await?;
            let all = self.beside(&message, GREEDY, &call).await?;
            let many = format!("{GREEDY} callers");
            for (callers, beside, other, than) in [
                ("one caller", &floor, "p99 alone", &alone),
                (&many, &all, "p99 alone", &alone),
                (&many, &all, "p99 beside one", &floor),
            ] {
                table.row(
                    &format!(
                        "a tenant's page 1 beside {callers} of another tenant, {what}: p50 / p90 / p99"
                    ),
                    quantiles(beside),
                    Some((
                        format!("{other} {:.2} ms", than.millis(0.99)),
                        beside.millis(0.99) / than.millis(0.99),
                    )),
                );
            }
        }
        Ok(())
    }

    /// The small tenant's calls beside so many callers of the other one.
    async fn beside(
        &self,
        message: &ListOutboundTasksRequest,
        callers: usize,
        call: &Arc<GrpcCall>,
    ) -> Result<Measured> {
        let greedy = self.greedy(message, callers).await?;
        let beside = self.small(call).await?;
        match greedy.into_ended() {
            Some(ended) => Err(ended),
            None => Ok(beside),
        }
    }

    /// The small tenant's calls beside a thread that does nothing but stay busy.
    async fn beside_a_busy_thread(&self, call: &Arc<GrpcCall>) -> Result<Measured> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let busy = std::thread::spawn(move || while !stopped.load(Ordering::Relaxed) {});
        let beside = self.small(call).await;
        stop.store(true, Ordering::Relaxed);
        busy.join().map_err(|_| "the busy thread panicked")?;
        beside
    }

    /// The median of some phases of the small tenant's calls.
    async fn small(&self, call: &Arc<GrpcCall>) -> Result<Measured> {
        let phase = Phase {
            measure: self.settings.phase.measure * 2,
            ..self.settings.phase
        };
        let mut phases = Vec::new();
        for _ in 0..ROUNDS {
            let work = Caller::grpc(&self.service.address, CALLERS, call).await?;
            phases.push(load::open(work, phase, RATE).await?);
        }
        phases.sort_by(|a, b| a.millis(0.99).total_cmp(&b.millis(0.99)));
        Ok(phases.swap_remove(ROUNDS / 2))
    }

    /// Callers who ask for this again and again until they are dropped.
    async fn greedy(&self, message: &ListOutboundTasksRequest, count: usize) -> Result<Greedy> {
        let mut callers = JoinSet::new();
        for _ in 0..count {
            let mut client = OutboundTaskServiceClient::new(connect(&self.service.address).await?);
            let (target, message) = (self.target.clone(), message.clone());
            callers.spawn(async move {
                loop {
                    let request = target.request(message.clone())?;
                    match client.list_outbound_tasks(request).await {
                        Ok(_) => {}
                        Err(status)
                            if matches!(
                                status.code(),
                                Code::Unavailable | Code::DeadlineExceeded
                            ) => {}
                        Err(status) => return Err(status.into()),
                    }
                }
            });
        }
        Ok(Greedy(callers))
    }
}

struct Greedy(JoinSet<Result<()>>);

impl Greedy {
    /// The error of a caller that ended early.
    fn into_ended(mut self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        match self.0.try_join_next()? {
            Ok(Err(error)) => Some(error),
            Ok(Ok(())) => Some("a caller ended early".into()),
            Err(error) => Some(error.into()),
        }
    }
}
