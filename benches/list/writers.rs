//! The cost of the counts for writers: the same statements with the triggers on tasks, and without.
//!
//! The service runs meanwhile and gets a request for a list now and then, so it compacts the counts as in production.
//! Its share of the processor is part of the cost.

use std::{sync::Arc, time::Duration};

use outbound_tasks::domain::{date_range::DateField, order::TaskOrder};

use crate::{
    Result,
    client::{Caller, GrpcCall},
    data::TENANT,
    lists::{Filter, List, month},
    load::{self, Phase},
    run::Bench,
    table::{Table, rate},
};

/// Tasks of one day, whose status is changed.
const CHANGING: i64 = 20_000;
const ROUNDS: usize = 5;
/// Lists per second meanwhile.
const LISTS: f64 = 10.0;
/// With the triggers, and without.
const MODES: [&str; 2] = [
    "-c session_replication_role=origin",
    "-c session_replication_role=replica",
];

/// One more pending task of that day.
fn insert() -> String {
    format!(
        "\\set n random(1, 2000000000)\n\
         INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
            target_count, target) \
         VALUES ('{TENANT}', 'write-' || :n, 'Renewal reminder #' || :n, \
            timestamptz '2026-01-05Z' + interval '15 min' * (:n % 96), \
            timestamptz '2026-01-05Z' + interval '15 min' * (:n % 96 + 4), 1, 0, now(), now(), 3, \
            ARRAY['cust0000001', 'cust0000002', 'cust0000003']) ON CONFLICT DO NOTHING"
    )
}

/// Another status for one of the day's tasks. No two clients change the same task.
fn change() -> String {
    format!(
        "\\set n random(0, {}) * 8 + :client_id\n\
         UPDATE tasks SET status = status % 6 + 1, updated_at = now() \
         WHERE tenant_id = '{TENANT}' AND task_id = 'change-' || :n",
        CHANGING / 8 - 1
    )
}

impl Bench<'_> {
    /// The table rows about writers. Afterwards the tasks are as before, and the counts are right.
    pub(crate) async fn writers(&self, table: &mut Table) -> Result<()> {
        let prepare = format!(
            "INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, \
                updated_at, target_count, target) \
             SELECT '{TENANT}', 'change-' || n, 'Renewal reminder #' || n, start, start + interval '1 hour', 1, 0, \
                now(), now(), 0, '{{}}' \
             FROM (SELECT n, timestamptz '2026-01-05Z' + interval '15 min' * (n % 96) AS start \
                FROM generate_series(0, {CHANGING} - 1) n) n"
        );
        self.sql.batch_execute(&prepare).await?;
        // A list without tasks that the writers change.
        let range = Some((DateField::StartTime, month(2024, 1), month(2024, 2)));
        let mut list = List::new(
            Filter {
                range,
                ..Filter::default()
            },
            TaskOrder::default(),
        );
        list.learn(&self.sql).await?;
        let call = Arc::new(GrpcCall::learn(&self.target, &list).await?);
        let mut waits = Waits::default();
        for (what, sql) in [("insert", insert()), ("status change", change())] {
            for clients in [1, 8] {
                eprintln!("{what}, {clients} writers");
                let mut rates = [const { Vec::new() }; 2];
                for _ in 0..ROUNDS {
                    for (mode, rates) in MODES.into_iter().zip(&mut rates) {
                        rates.push(self.write(&sql, clients, mode, &call, &mut waits).await?);
                    }
                }
                // The modes alternate, since the speed of the machine varies from minute to minute.
                let [with, without] = &rates;
                let ratio = median(with.iter().zip(without).map(|(w, o)| w / o).collect());
                let [with, without] = rates.map(median);
                let what = format!("{what}, {clients} writer(s) on one tenant, status and day");
                let floor = format!("without triggers {}", rate(without));
                table.row(&what, rate(with), Some((floor, ratio)));
            }
        }
        let restore = format!(
            "DELETE FROM tasks WHERE tenant_id = '{TENANT}' AND start_time >= '2026-01-05Z' \
             AND (task_id LIKE 'write-%' OR task_id LIKE 'change-%')"
        );
        self.sql.batch_execute(&restore).await?;
        // The changes without triggers are missing from the counts.
        let rebuild = format!("SELECT task_counts_rebuild('{TENANT}')");
        self.sql.batch_execute(&rebuild).await?;
        let deadlocks: i64 = self
            .sql
            .query_one(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
                &[],
            )
            .await?
            .get(0);
        let figure = format!(
            "{} deadlocks; waiting for another's row in {} of {} samples of a writer",
            deadlocks, waits.waiting, waits.samples
        );
        table.row("8 writers with the triggers", figure, None);
        Ok(())
    }

    async fn write(
        &self,
        sql: &str,
        clients: usize,
        mode: &str,
        call: &Arc<GrpcCall>,
        waits: &mut Waits,
    ) -> Result<f64> {
        let length = self.settings.phase.measure / 2;
        let phase = Phase {
            warm_up: Duration::ZERO,
            measure: length,
        };
        let lists = load::open(
            Caller::grpc(&self.target.address, 1, call).await?,
            phase,
            LISTS,
        );
        let write = self.pgbench.run_sql(sql, clients, length, mode);
        let samples = async {
            // In both modes, since the observation costs the writers too.
            let seen = match clients {
                1 => Waits::default(),
                _ => self.sample(length).await?,
            };
            if mode == MODES[0] {
                waits.waiting += seen.waiting;
                waits.samples += seen.samples;
            }
            Ok(())
        };
        let (rate, _, ()) = tokio::try_join!(write, lists, samples)?;
        Ok(rate)
    }

    /// Samples the wait events of the writers.
    async fn sample(&self, length: Duration) -> Result<Waits> {
        let mut waits = Waits::default();
        let sql = "SELECT count(*) FILTER (WHERE wait_event IN ('tuple', 'transactionid')), count(*) FROM pg_stat_activity \
            WHERE application_name = 'pgbench' AND state <> 'idle'";
        let began = std::time::Instant::now();
        while began.elapsed() < length {
            let row = self.sql.query_one(sql, &[]).await?;
            waits.waiting += row.get::<_, i64>(0);
            waits.samples += row.get::<_, i64>(1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(waits)
    }
}

/// Number of samples of writers, and of those that waited for a lock.
#[derive(Debug, Default)]
struct Waits {
    waiting: i64,
    samples: i64,
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
