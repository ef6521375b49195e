//! What supervisors ask for: tasks that need attention, sums of targets, and a copy of a large task.

use std::time::{Duration, Instant};

use outbound_tasks::pb::{
    CopyOutboundTaskRequest, ListOutboundTasksRequest, TaskAttention,
    outbound_task_service_client::OutboundTaskServiceClient,
};
use prost_types::Timestamp;
use tonic::{Code, transport::Channel};

use crate::{
    Result,
    client::connect,
    data::TENANT,
    load::Measured,
    run::Bench,
    table::{Table, quantiles, thousands},
};

/// Customers of the task that is copied.
const CUSTOMERS: i64 = 1_000_000;
/// Calls of each list; of one that adds up all targets.
const CALLS: usize = 200;
const SUMS: usize = 5;
/// The longest deadline that the service allows.
const DEADLINE: Duration = Duration::from_secs(30);

/// Puts the tasks that have not ended into the future and lets them be called, all but one in a thousand. Without
/// triggers; the counts are built anew afterwards.
const QUIET: &str = "SET session_replication_role = replica; \
    UPDATE tasks SET start_time = start_time + interval '100 years', end_time = end_time + interval '100 years', \
        target_count = greatest(target_count, 1), progress = least(progress, 99), last_result_at = now() \
    WHERE tenant_id = 'bench' AND status <= 3 AND start_time < now() AND hashtext(task_id) % 1000 <> 0; \
    UPDATE task_labels l SET start_time = t.start_time FROM tasks t \
    WHERE t.tenant_id = l.tenant_id AND t.task_id = l.task_id AND t.start_time <> l.start_time; \
    RESET session_replication_role; SELECT task_counts_rebuild('bench')";

impl Bench<'_> {
    /// The table rows about attention, sums and copies.
    pub(crate) async fn desk(&self, table: &mut Table) -> Result<()> {
        eprintln!("attention, sums, a copy");
        self.sql.batch_execute(QUIET).await?;
        self.sql.batch_execute("VACUUM ANALYZE tasks").await?;
        let channel = connect(&self.target.address).await?;
        let mut client =
            OutboundTaskServiceClient::new(channel).max_decoding_message_size(64 << 20);
        let first = ListOutboundTasksRequest::default();
        let plain = self.timed(&mut client, &first, CALLS).await?;
        let attention = ListOutboundTasksRequest {
            attention: (TaskAttention::Overdue as i32..=TaskAttention::Empty as i32).collect(),
            ..first.clone()
        };
        let matching = client
            .list_outbound_tasks(self.target.request(attention.clone())?)
            .await?
            .into_inner()
            .total;
        let matching = thousands(matching.into());
        let floor = |of: &Measured| {
            let text = format!("page 1 without it: {:.2} ms", plain.millis(0.5));
            Some((text, of.millis(0.5) / plain.millis(0.5)))
        };
        let counted = ListOutboundTasksRequest {
            attention_counts: true,
            ..first.clone()
        };
        for (what, request) in [
            (
                format!("page 1 of {matching} tasks that need attention"),
                attention,
            ),
            (
                format!("page 1 with attention_counts, {matching} tasks"),
                counted,
            ),
        ] {
            let seen = self.timed(&mut client, &request, CALLS).await?;
            let what = format!("{what}: p50 / p90 / p99");
            table.row(&what, quantiles(&seen), floor(&seen));
        }
        let sums = ListOutboundTasksRequest {
            target_sums: true,
            ..first.clone()
        };
        let running = ListOutboundTasksRequest {
            status: vec![2],
            ..sums.clone()
        };
        for (what, request) in [("all", sums), ("all running", running)] {
            let asked = self.request_of(request.clone())?;
            let answer = match client.list_outbound_tasks(asked).await {
                Err(status) if status.code() == Code::DeadlineExceeded => {
                    let what = format!("page 1 with target_sums of {what} tasks");
                    let said = format!("DEADLINE_EXCEEDED, after {DEADLINE:?}");
                    table.row(&what, said, None);
                    continue;
                }
                answer => answer?,
            };
            let total = thousands(answer.into_inner().total.into());
            let seen = self.timed(&mut client, &request, SUMS).await?;
            let what = format!("page 1 with target_sums of {what} {total} tasks: p50 / p90 / p99");
            table.row(&what, quantiles(&seen), floor(&seen));
        }
        self.copy(&mut client, table).await
    }

    fn request_of<T>(&self, message: T) -> Result<tonic::Request<T>> {
        let mut request = self.target.request(message)?;
        request.set_timeout(DEADLINE);
        Ok(request)
    }

    /// The times of the same list, one call after the other.
    async fn timed(
        &self,
        client: &mut OutboundTaskServiceClient<Channel>,
        request: &ListOutboundTasksRequest,
        calls: usize,
    ) -> Result<Measured> {
        let mut seen = Measured::new()?;
        for _ in 0..calls {
            let call = self.request_of(request.clone())?;
            let asked = Instant::now();
            client.list_outbound_tasks(call).await?;
            seen.note(true, true, asked.elapsed())?;
        }
        Ok(seen)
    }

    /// A copy of a million customers, beside the same rows in plain SQL.
    async fn copy(
        &self,
        client: &mut OutboundTaskServiceClient<Channel>,
        table: &mut Table,
    ) -> Result<()> {
        // Without what an earlier run has left.
        let fill = format!(
            "DELETE FROM tasks WHERE tenant_id = '{TENANT}' AND task_id IN ('large', 'copied'); \
             DELETE FROM task_targets WHERE tenant_id = '{TENANT}' AND task_id IN ('large', 'copied', 'plain'); \
             INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
                target_count, target) SELECT '{TENANT}', 'large', 'Large', now(), now(), 4, 0, now(), now(), {CUSTOMERS}, '{{}}'; \
             INSERT INTO task_targets (tenant_id, task_id, position, customer_id) \
             SELECT '{TENANT}', 'large', n, 'copied-' || n FROM generate_series(0, {CUSTOMERS} - 1) n"
        );
        self.sql.batch_execute(&fill).await?;
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let request = CopyOutboundTaskRequest {
            source_task_id: "large".to_owned(),
            task_id: "copied".to_owned(),
            name: "Copied".to_owned(),
            start_time: at(4_000_000_000),
            end_time: at(4_000_003_600),
            ..CopyOutboundTaskRequest::default()
        };
        let began = Instant::now();
        let copied = client
            .copy_outbound_task(self.target.request(request)?)
            .await?;
        let seconds = began.elapsed().as_secs_f64();
        let count = copied.into_inner().task.map(|task| task.target_count);
        if count.map(i64::from) != Some(CUSTOMERS) {
            return Err(format!("a copy has {count:?} customers").into());
        }
        let plain = format!(
            "INSERT INTO task_targets (tenant_id, task_id, position, customer_id) \
             SELECT tenant_id, 'plain', position, customer_id FROM task_targets \
             WHERE tenant_id = '{TENANT}' AND task_id = 'large' ORDER BY position"
        );
        let began = Instant::now();
        self.sql.batch_execute(&plain).await?;
        let floor = began.elapsed().as_secs_f64();
        table.row(
            &format!("copy of {} customers", thousands(CUSTOMERS)),
            format!("{seconds:.1} s"),
            Some((format!("INSERT … SELECT: {floor:.1} s"), seconds / floor)),
        );
        Ok(())
    }
}
