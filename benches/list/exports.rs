//! Exports of all tasks: over gRPC, as lines over HTTP, and by the command, compared with psql's `\copy` of the same
//! rows in the same order.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use outbound_tasks::pb::{
    ExportOutboundTasksRequest, outbound_task_service_client::OutboundTaskServiceClient,
};
use tokio::process::Command;
use tonic::transport::Endpoint;

use crate::{
    Result,
    data::TENANT,
    run::Bench,
    service,
    table::{Table, rate, thousands},
};

/// Runs of each export, of which the best counts.
const ROUNDS: usize = 2;
/// The columns that psql writes: every one that an export reads.
const COLUMNS: &str = "task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, \
    status_reason, coalesce(status_changed_at, created_at), targets_answered, targets_no_answer, targets_busy, \
    targets_failed, targets_skipped, revision, target";
/// Settings with which psql's session reads the index too.
const PLAN: &str = "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_sort=off -c jit=off \
    -c max_parallel_workers_per_gather=0";

impl Bench<'_> {
    /// The table rows about exports.
    pub(crate) async fn exports(&self, dir: &Path, table: &mut Table) -> Result<()> {
        eprintln!("exporting {} tasks", thousands(self.settings.tasks));
        let mut best = [Duration::MAX; 4];
        for _ in 0..ROUNDS {
            let took = [
                self.copied(dir).await?,
                self.over_grpc().await?,
                self.over_http().await?,
                self.by_command(dir).await?,
            ];
            for (best, took) in best.iter_mut().zip(took) {
                *best = took.min(*best);
            }
        }
        let [copied, rest @ ..] = best.map(|took| self.settings.tasks as f64 / took.as_secs_f64());
        let whats = ["over gRPC", "as NDJSON over HTTP", "by the command"];
        for (what, exported) in whats.into_iter().zip(rest) {
            table.row(
                &format!("export of {} tasks {what}", thousands(self.settings.tasks)),
                rate(exported),
                Some((format!("\\copy {}", rate(copied)), exported / copied)),
            );
        }
        Ok(())
    }

    async fn copied(&self, dir: &Path) -> Result<Duration> {
        let file = dir.join("copied");
        let copy = format!(
            "\\copy (SELECT {COLUMNS} FROM tasks WHERE tenant_id = '{TENANT}' ORDER BY start_time, task_id) TO '{}'",
            file.display()
        );
        let began = Instant::now();
        let done = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--command", &copy, &self.url])
            .env("PGOPTIONS", PLAN)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status();
        if !done.await?.success() {
            return Err("psql could not copy the tasks".into());
        }
        let took = began.elapsed();
        std::fs::remove_file(file)?;
        Ok(took)
    }

    async fn over_grpc(&self) -> Result<Duration> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.target.address))?;
        let mut client = OutboundTaskServiceClient::new(endpoint.connect().await?);
        let request = self.target.request(ExportOutboundTasksRequest::default())?;
        let began = Instant::now();
        let mut batches = client.export_outbound_tasks(request).await?.into_inner();
        let mut tasks = 0;
        while let Some(batch) = batches.message().await? {
            tasks += batch.tasks.len();
        }
        self.check(tasks, began)
    }

    async fn over_http(&self) -> Result<Duration> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://{}/api/v1/outboundtasks:export", self.target.address);
        let request = Request::get(uri)
            .header("x-api-key", &self.target.key)
            .body(Empty::<Bytes>::new())?;
        let began = Instant::now();
        let mut body = client.request(request).await?.into_body();
        let mut tasks = 0;
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                tasks += data.iter().filter(|byte| **byte == b'\n').count();
            }
        }
        self.check(tasks, began)
    }

    async fn by_command(&self, dir: &Path) -> Result<Duration> {
        let file = dir.join("exported.ndjson");
        let began = Instant::now();
        let done = service::program()
            .args(["export", "--tenant", TENANT])
            .arg(&file)
            .env("DATABASE_URL", &self.url)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        if !done.await?.success() {
            return Err("the export failed".into());
        }
        let took = began.elapsed();
        std::fs::remove_file(file)?;
        Ok(took)
    }

    fn check(&self, tasks: usize, began: Instant) -> Result<Duration> {
        if tasks as i64 != self.settings.tasks {
            return Err(format!("only {tasks} tasks were exported").into());
        }
        Ok(began.elapsed())
    }
}
