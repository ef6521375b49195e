//! Watches: the time from a change's transaction until a client has it, with many watches on one service, and the cost
//! of a watch.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use hdrhistogram::Histogram;
use outbound_tasks::pb::{
    PauseOutboundTaskRequest, ResumeOutboundTaskRequest, TaskChange, TaskFilter, TaskStatus,
    WatchOutboundTasksRequest, outbound_task_service_client::OutboundTaskServiceClient,
};
use tokio::{
    sync::{Barrier, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tonic::{Request, transport::Channel};

use crate::{
    Result,
    client::{Target, connect},
    data::TENANT,
    run::Bench,
    service,
    table::{Table, thousands},
};

/// Number of watches at the same time.
const WATCHES: usize = 500;
/// Streams per connection. The service allows a hundred.
const STREAMS: usize = 100;
/// Changes per second.
const RATE: u64 = 200;
/// Number of tasks, which are changed in turn.
const TASKS: u64 = 1_000;

fn prepare() -> String {
    format!(
        "INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
            target_count, target) \
         SELECT '{TENANT}', 'watched-' || n, 'Renewal reminder', '2026-01-05Z', '2026-01-06Z', 2, 0, now(), now(), 3, \
            ARRAY['cust-1', 'cust-2', 'cust-3'] FROM generate_series(0, {TASKS} - 1) n"
    )
}

/// The filter of the watches of a round.
#[derive(Debug, Clone, Copy)]
enum Filter {
    /// Every change.
    All,
    /// One task in two hundred: each watch has ten tasks of its own.
    Ten,
}

impl Filter {
    fn of(self, watch: usize) -> TaskFilter {
        let ids = match self {
            Self::All => Vec::new(),
            Self::Ten => (0..10)
                .map(|n| format!("watched-{}", (watch as u64 + n * 97) % TASKS))
                .collect(),
        };
        TaskFilter {
            task_ids: ids,
            ..TaskFilter::default()
        }
    }
}

impl Bench<'_> {
    /// The table rows about watches.
    pub(crate) async fn watches(&self, table: &mut Table) -> Result<()> {
        self.sql.batch_execute(&prepare()).await?;
        for (filter, what) in [(Filter::Ten, "ten tasks each"), (Filter::All, "all tasks")] {
            eprintln!("{WATCHES} watches, {what}");
            let running = format!(
                "UPDATE tasks SET status = 2 WHERE tenant_id = '{TENANT}' AND task_id LIKE 'watched-%'"
            );
            self.sql.batch_execute(&running).await?;
            let seen = self.watch(filter).await?;
            let millis = |at| seen.latency.value_at_quantile(at) as f64 / 1000.0;
            table.row(
                &format!("{RATE} changes/s to {WATCHES} watches of {what}: transaction to client, p50 / p90 / p99"),
                format!("{:.1} / {:.1} / {:.1} ms", millis(0.5), millis(0.9), millis(0.99)),
                None,
            );
            table.row(
                "the same: messages a second; processor time, server / PostgreSQL / clients",
                format!(
                    "{}; {:.0} / {:.0} / {:.0} % of a core",
                    thousands(seen.rate.round() as i64),
                    seen.server * 100.0,
                    seen.postgres * 100.0,
                    seen.clients * 100.0
                ),
                None,
            );
            // The second round starts with the state that the first one left.
            if let Filter::Ten = filter {
                table.row(
                    "memory of the service for a watch, open / at the end",
                    format!("{:.0} / {:.0} KiB", seen.open, seen.end),
                    None,
                );
            }
        }
        let clean =
            format!("DELETE FROM tasks WHERE tenant_id = '{TENANT}' AND task_id LIKE 'watched-%'");
        Ok(self.sql.batch_execute(&clean).await?)
    }

    async fn watch(&self, filter: Filter) -> Result<Seen> {
        let before = self.service.memory("VmRSS");
        let ready = Arc::new(Barrier::new(WATCHES + 1));
        let (end, ended) = watch::channel(());
        let mut watches = JoinSet::new();
        let mut channel = connect(&self.target.address).await?;
        for watch in 0..WATCHES {
            if watch % STREAMS == 0 {
                channel = connect(&self.target.address).await?;
            }
            let request = WatchOutboundTasksRequest {
                filter: Some(filter.of(watch)),
                skip_initial: true,
                ..WatchOutboundTasksRequest::default()
            };
            let request = self.target.request(request)?;
            watches.spawn(follow(
                channel.clone(),
                request,
                Arc::clone(&ready),
                ended.clone(),
            ));
        }
        ready.wait().await;
        let each = |memory: f64| (memory - before) * 1024.0 / WATCHES as f64;
        let open = each(self.service.memory("VmRSS"));
        let cpu = || {
            (
                self.service.cpu(),
                service::postgres_cpu(self.postmaster),
                service::own_cpu(),
            )
        };
        let (length, was) = (self.settings.phase.measure * 2, cpu());
        change(&self.target, length).await?;
        let is = cpu();
        // The last changes are still in transit.
        sleep(Duration::from_secs(1)).await;
        let at_end = each(self.service.memory("VmRSS"));
        drop(end);
        let mut latency = Histogram::<u64>::new(3)?;
        let mut messages = 0;
        while let Some(watch) = watches.join_next().await {
            let (own, count) = watch??;
            latency.add(own)?;
            messages += count;
        }
        let seconds = length.as_secs_f64();
        Ok(Seen {
            latency,
            rate: messages as f64 / seconds,
            server: (is.0 - was.0) / seconds,
            postgres: (is.1 - was.1) / seconds,
            clients: (is.2 - was.2) / seconds,
            open,
            end: at_end,
        })
    }
}

struct Seen {
    /// Delay of a change in microseconds.
    latency: Histogram<u64>,
    rate: f64,
    server: f64,
    postgres: f64,
    clients: f64,
    open: f64,
    end: f64,
}

/// Follows a watch. Returns the delays of the changes on arrival, and the number of messages.
async fn follow(
    channel: Channel,
    request: Request<WatchOutboundTasksRequest>,
    ready: Arc<Barrier>,
    mut ended: watch::Receiver<()>,
) -> Result<(Histogram<u64>, u64)> {
    let mut grpc = OutboundTaskServiceClient::new(channel);
    let mut watch = grpc.watch_outbound_tasks(request).await?.into_inner();
    watch.message().await?.ok_or("the watch ended")?;
    ready.wait().await;
    let mut ages = Histogram::<u64>::new(3)?;
    let mut messages = 0;
    loop {
        let message = tokio::select! {
            message = watch.message() => message?.ok_or("the watch ended")?,
            _ = ended.changed() => return Ok((ages, messages)),
        };
        if message.list_again {
            return Err("a watch fell too far behind".into());
        }
        messages += u64::from(!message.changes.is_empty());
        for change in &message.changes {
            ages.record(age(change)?.as_micros() as u64)?;
        }
    }
}

/// Time since a change's statement began. PostgreSQL has this machine's clock.
fn age(change: &TaskChange) -> Result<Duration> {
    let updated = change
        .task
        .as_ref()
        .and_then(|t| t.updated_at)
        .ok_or("a change without a task")?;
    let updated = SystemTime::try_from(updated)?;
    Ok(SystemTime::now()
        .duration_since(updated)
        .unwrap_or_default())
}

/// Pauses and resumes tasks in turn, at a fixed number of changes per second.
async fn change(target: &Target, length: Duration) -> Result<()> {
    let grpc = OutboundTaskServiceClient::new(connect(&target.address).await?);
    let mut ticks = interval(Duration::from_secs(1) / RATE as u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut changes = JoinSet::new();
    for n in 0..RATE * length.as_secs() {
        ticks.tick().await;
        let task_id = format!("watched-{}", n % TASKS);
        let is_running = (n / TASKS).is_multiple_of(2);
        let (mut grpc, target) = (grpc.clone(), target.clone());
        changes.spawn(async move {
            let status = if is_running {
                let pause = PauseOutboundTaskRequest {
                    task_id,
                    ..Default::default()
                };
                grpc.pause_outbound_task(target.request(pause)?)
                    .await?
                    .into_inner()
                    .task
            } else {
                let resume = ResumeOutboundTaskRequest {
                    task_id,
                    ..Default::default()
                };
                grpc.resume_outbound_task(target.request(resume)?)
                    .await?
                    .into_inner()
                    .task
            };
            let wanted = if is_running {
                TaskStatus::Paused
            } else {
                TaskStatus::Running
            };
            match status.is_some_and(|task| task.status() == wanted) {
                true => Ok(()),
                false => Err("a task did not change".into()),
            }
        });
    }
    while let Some(done) = changes.join_next().await {
        let done: Result<()> = done?;
        done?;
    }
    Ok(())
}
