//! Changes over gRPC: actions on tasks, and batches of results. Compared with pgbench in the same
//! transactions, by the service's statements and by one statement for each step.

use std::time::{Duration, Instant, SystemTime};

use outbound_tasks::pb::{
    PauseOutboundTaskRequest, ReportTargetResultsRequest, ResumeOutboundTaskRequest, TargetResult,
    TargetState, outbound_task_service_client::OutboundTaskServiceClient,
};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    Result,
    client::{Target, connect},
    data::TENANT,
    load::{self, Measured},
    run::Bench,
    table::{Table, quantiles, rate},
};

/// Number of callers, each with a connection and tasks of its own.
const CALLERS: usize = 8;
/// Tasks of each caller, whose status is changed.
const TASKS: usize = 1_000;
/// Targets of the task for which each caller reports results.
const TARGETS: usize = 10_000;
/// Results per call.
const BATCH: usize = 100;
/// Service and floor alternate this number of times. The best of each counts.
const ROUNDS: usize = 3;

/// Prepares running tasks, and for each caller one with targets.
pub(crate) fn prepare() -> String {
    let columns = "tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
        target_count, target";
    format!(
        "INSERT INTO tasks ({columns}) SELECT '{TENANT}', 'life-' || c || '-' || n, 'Renewal reminder', start, \
            start + interval '1 hour', 2, 0, now(), now(), 0, '{{}}' \
         FROM generate_series(0, {CALLERS} - 1) c, generate_series(0, {TASKS} - 1) n, \
            LATERAL (SELECT timestamptz '2026-01-05Z' + interval '15 min' * (n % 96) AS start) s; \
         INSERT INTO tasks ({columns}) SELECT '{TENANT}', 'calls-' || c, 'Renewal reminder', '2026-01-05Z', \
            '2026-01-06Z', 2, 0, now(), now(), {TARGETS}, '{{}}' FROM generate_series(0, {CALLERS} - 1) c; \
         INSERT INTO task_targets (tenant_id, task_id, position, customer_id) \
         SELECT '{TENANT}', 'calls-' || c, n, 'cust-' || n \
         FROM generate_series(0, {CALLERS} - 1) c, generate_series(0, {TARGETS} - 1) n"
    )
}

/// A task's columns, as every write of the service reads them.
const COLUMNS: &str = "t.task_id, t.name, t.start_time, t.end_time, t.status, t.progress, t.created_at, t.updated_at, \
    t.target_count, t.status_reason, coalesce(t.status_changed_at, t.created_at), t.targets_answered, \
    t.targets_no_answer, t.targets_busy, t.targets_failed, t.targets_skipped, t.revision, t.target";

/// A transaction around a change, with one statement for each step: lock, change, event.
fn step_by_step(task: &str, change: &str, kind: &str, changes: &str) -> String {
    format!(
        "BEGIN;\n\
         SELECT {COLUMNS} FROM tasks t WHERE t.tenant_id = '{TENANT}' AND t.task_id = ANY (ARRAY[{task}]) \
            ORDER BY t.task_id FOR UPDATE;\n\
         {change};\n\
         INSERT INTO task_events (tenant_id, key_id, reason, task_id, kind, changes) \
         SELECT '{TENANT}', '{TENANT}.benchmrk', '', e.* FROM unnest(ARRAY[{task}], ARRAY['{kind}'], \
            ARRAY['{changes}'::jsonb]) AS e (task_id, kind, changes);\n\
         COMMIT"
    )
}

/// The service's transaction around a change: the lock, `between`, and the change with its event.
fn combined(task: &str, between: &str, set: &str, kind: &str, changes: &str) -> String {
    let found = |columns: &str, lock: &str| {
        format!(
            "unnest(ARRAY[{task}]) AS a (task_id) CROSS JOIN LATERAL (SELECT {columns} FROM tasks t \
             WHERE t.tenant_id = '{TENANT}' AND t.task_id >= a.task_id AND t.task_id <= a.task_id \
             ORDER BY t.task_id LIMIT 1{lock})"
        )
    };
    let (locked, row_ids) = (found("*", " FOR UPDATE"), found("t.ctid AS row_id", ""));
    let returned = COLUMNS.replace(
        "coalesce(t.status_changed_at, t.created_at)",
        "t.status_changed_at",
    );
    format!(
        "BEGIN;\n\
         SELECT {COLUMNS} FROM {locked} t;\n\
         {between}\
         WITH changed AS (UPDATE tasks t SET {set}, updated_at = statement_timestamp() FROM {row_ids} f \
            WHERE t.ctid = f.row_id RETURNING {returned}), \
         noted AS (INSERT INTO task_events (tenant_id, at, key_id, reason, task_id, kind, changes) \
            SELECT '{TENANT}', c.updated_at, '{TENANT}.benchmrk', '', c.task_id, '{kind}', e.changes::jsonb \
            FROM changed c JOIN unnest(ARRAY[{task}], ARRAY['{changes}']) AS e (task_id, changes) \
                ON e.task_id = c.task_id) \
         SELECT {returned} FROM changed t;\n\
         COMMIT"
    )
}

/// The scripts of a change: the service's statements, and one statement for each step.
struct Scripts {
    combined: String,
    step_by_step: String,
}

fn status_sql() -> Scripts {
    let task = "'life-' || :client_id || '-' || :n";
    let set = "status = 5 - status, status_reason = '', status_changed_at = statement_timestamp()";
    let change = format!(
        "UPDATE tasks t SET {set}, updated_at = statement_timestamp() WHERE t.tenant_id = '{TENANT}' \
            AND t.task_id = ANY (ARRAY[{task}]) RETURNING {COLUMNS}"
    );
    let changes = r#"[["status", "running", "paused"]]"#;
    let with_n = |transaction| format!("\\set n random(0, {})\n{transaction}", TASKS - 1);
    Scripts {
        combined: with_n(combined(task, "", set, "paused", changes)),
        step_by_step: with_n(step_by_step(task, &change, "paused", changes)),
    }
}

fn result_sql() -> Scripts {
    let task = "'calls-' || :client_id";
    // Later than every earlier result, so that each of them counts.
    let report = format!(
        "WITH met AS MATERIALIZED (SELECT r.*, g.place, g.state AS was, \
            (r.attempt, r.at, r.state) > (g.attempt, coalesce(g.result_at, '-infinity'), g.state) AS is_newer \
            FROM unnest(ARRAY(SELECT 'cust-' || (:n + g) % {TARGETS} FROM generate_series(1, {BATCH}) g), \
                array_fill(4::smallint, ARRAY[{BATCH}]), array_fill(1, ARRAY[{BATCH}]), \
                array_fill(clock_timestamp(), ARRAY[{BATCH}])) AS r (customer_id, state, attempt, at) \
            CROSS JOIN LATERAL (SELECT g.ctid AS place, g.state, g.attempt, g.result_at FROM task_targets g \
                WHERE g.tenant_id = '{TENANT}' AND (g.customer_id, g.task_id) >= (r.customer_id, {task}) \
                AND (g.customer_id, g.task_id) <= (r.customer_id, {task}) LIMIT 1) g), \
         changed AS (UPDATE task_targets g SET state = m.state, attempt = m.attempt, result_at = m.at FROM met m \
            WHERE g.ctid = m.place AND m.is_newer) \
         SELECT customer_id, was, state, is_newer FROM met;\n"
    );
    let set = format!(
        "target_count = {TARGETS}, progress = 0, targets_answered = 0, targets_no_answer = 0, targets_busy = 0, \
            targets_failed = 0, targets_skipped = 0"
    );
    let change = format!(
        "{report}UPDATE tasks t SET {set}, updated_at = statement_timestamp() \
            WHERE t.tenant_id = '{TENANT}' AND t.task_id = {task} RETURNING {COLUMNS}"
    );
    let changes = r#"[["target_counts.busy", "100", "200"]]"#;
    let with_n = |transaction| format!("\\set n random(0, {})\n{transaction}", TARGETS - 1);
    Scripts {
        combined: with_n(combined(task, &report, &set, "results_reported", changes)),
        step_by_step: with_n(step_by_step(task, &change, "results_reported", changes)),
    }
}

/// The repeated work of a caller.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Pauses and resumes tasks.
    Status,
    /// Reports results of a task's targets.
    Results,
}

impl Bench<'_> {
    /// The table rows about changes. Afterwards the tasks are as before.
    pub(crate) async fn changes(&self, table: &mut Table) -> Result<()> {
        self.sql.batch_execute(&prepare()).await?;
        for (what, work, scripts) in [
            ("status change over gRPC", Work::Status, status_sql()),
            ("100 results over gRPC", Work::Results, result_sql()),
        ] {
            eprintln!("{what}");
            let mut best: Option<Measured> = None;
            let (mut same, mut steps): (f64, f64) = (0.0, 0.0);
            for _ in 0..ROUNDS {
                // The state in which the first round began.
                let running = format!(
                    "UPDATE tasks SET status = 2 WHERE tenant_id = '{TENANT}' AND task_id LIKE 'life-%'"
                );
                self.sql.batch_execute(&running).await?;
                let seen = self.change(&self.target, work).await?;
                if best.as_ref().is_none_or(|best| best.rate < seen.rate) {
                    best = Some(seen);
                }
                let length = self.settings.phase.measure;
                let options = crate::floors::options();
                for (floor, sql) in [
                    (&mut same, &scripts.combined),
                    (&mut steps, &scripts.step_by_step),
                ] {
                    let tps = self.pgbench.run_sql(sql, CALLERS, length, &options);
                    *floor = floor.max(tps.await?);
                }
            }
            let seen = best.ok_or("there was no round")?;
            let figure = format!("{}, p50 / p90 / p99 {}", rate(seen.rate), quantiles(&seen));
            let floor = format!("pgbench, the same statements {}", rate(same));
            let title = format!("{what}, {CALLERS} callers");
            table.row(&title, figure, Some((floor, seen.rate / same)));
            let floor = format!("pgbench, one statement for each step {}", rate(steps));
            let ratio = seen.rate / steps;
            table.row(
                &format!("{what}, the same"),
                rate(seen.rate),
                Some((floor, ratio)),
            );
        }
        self.remove_changed().await
    }

    /// Removes the tasks that were prepared.
    pub(crate) async fn remove_changed(&self) -> Result<()> {
        let restore = format!(
            "DELETE FROM tasks WHERE tenant_id = '{TENANT}' AND (task_id LIKE 'life-%' OR task_id LIKE 'calls-%'); \
             TRUNCATE task_events"
        );
        Ok(self.sql.batch_execute(&restore).await?)
    }

    /// Changes prepared tasks over gRPC.
    pub(crate) async fn change(&self, target: &Target, work: Work) -> Result<Measured> {
        let phase = self.settings.phase;
        let from = Instant::now() + phase.warm_up;
        let until = from + phase.measure;
        let mut callers = Vec::new();
        for number in 0..CALLERS {
            let caller = Changer {
                grpc: OutboundTaskServiceClient::new(connect(&target.address).await?),
                target: target.clone(),
                number,
                calls: 0,
            };
            callers.push(caller.run(work, from, until));
        }
        load::gather(callers.into_iter(), phase).await
    }
}

struct Changer {
    grpc: OutboundTaskServiceClient<Channel>,
    target: Target,
    number: usize,
    calls: usize,
}

impl Changer {
    async fn run(mut self, work: Work, from: Instant, until: Instant) -> Result<Measured> {
        let mut seen = Measured::new()?;
        while Instant::now() < until {
            let asked = Instant::now();
            match work {
                Work::Status => self.change_status().await?,
                Work::Results => self.report().await?,
            }
            self.calls += 1;
            let answered = Instant::now();
            seen.note(true, answered >= from && answered < until, answered - asked)?;
        }
        Ok(seen)
    }

    /// Pauses the caller's tasks one after the other, then resumes them.
    async fn change_status(&mut self) -> Result<()> {
        let task_id = format!("life-{}-{}", self.number, self.calls % TASKS);
        let is_pause = (self.calls / TASKS).is_multiple_of(2);
        if is_pause {
            let message = PauseOutboundTaskRequest {
                task_id,
                ..Default::default()
            };
            good(
                self.grpc
                    .pause_outbound_task(with_key(&self.target, message)?)
                    .await,
            )
        } else {
            let message = ResumeOutboundTaskRequest {
                task_id,
                ..Default::default()
            };
            good(
                self.grpc
                    .resume_outbound_task(with_key(&self.target, message)?)
                    .await,
            )
        }
    }

    /// Reports results with the present time, each of which counts.
    async fn report(&mut self) -> Result<()> {
        let time = Some(SystemTime::now().into());
        let first = fastrand::usize(..TARGETS);
        let results = (0..BATCH).map(|n| TargetResult {
            customer_id: format!("cust-{}", (first + n) % TARGETS),
            state: TargetState::Busy as i32,
            attempt: 1,
            time,
        });
        let message = ReportTargetResultsRequest {
            task_id: format!("calls-{}", self.number),
            results: results.collect(),
            idempotency_key: String::new(),
            ..Default::default()
        };
        let request = with_key(&self.target, message)?;
        let answer = self.grpc.report_target_results(request).await?.into_inner();
        match answer.applied_count as usize {
            BATCH => Ok(()),
            applied => Err(format!("{applied} of {BATCH} results counted").into()),
        }
    }
}

fn with_key<T>(target: &Target, message: T) -> Result<Request<T>> {
    let mut request = target.request(message)?;
    request.set_timeout(Duration::from_secs(30));
    Ok(request)
}

fn good<T>(answer: Result<Response<T>, Status>) -> Result<()> {
    Ok(answer.map(drop)?)
}
