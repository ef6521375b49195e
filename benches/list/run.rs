//! The run: fill, start, measure in turns, write the table.

use std::{path::Path, sync::Arc, time::Duration};

use outbound_tasks::{
    app::App,
    db::DbOptions,
    domain::{key::Scope, page::TokenKey, tenant::TenantId},
    embedded::Embedded,
};
use prost::Message;
use tokio_postgres::Client;

use crate::{
    Result, Settings,
    client::{Caller, GrpcCall, JsonCall, Target},
    data::{self, Kind, TENANT},
    floors::{Pgbench, Script},
    load::{self, Phase},
    peaks::{Peak, Peaks},
    service::Server,
    table::{Table, quantiles, rate, refused, thousands},
};

const DATABASE: &str = "postgres";
/// Callers of the open loops, and of the lists other than the default one.
const MANY: usize = 64;
const SOME: usize = 32;

/// All that is under load.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    /// What the run is told.
    pub(crate) settings: &'a Settings,
    /// PostgreSQL's process id.
    pub(crate) postmaster: u32,
    /// The real program.
    pub(crate) service: Server,
    /// The floor of the transport.
    pub(crate) ready_made: Server,
    /// The floor of the database.
    pub(crate) pgbench: Pgbench,
    /// What the service asks the database for the default list.
    pub(crate) script: Script,
    /// The default list over gRPC.
    pub(crate) grpc: Arc<GrpcCall>,
    /// The default list over HTTP GET.
    pub(crate) json: Arc<JsonCall>,
}

/// Fills the database, measures, and answers the text to print.
pub(crate) async fn run(settings: &Settings, postgres: &Embedded, dir: &Path) -> Result<String> {
    let url = postgres.url(DATABASE);
    let key = prepare(&url).await?;
    let sql = data::connect(&url).await?;
    eprintln!("filling {} tasks", thousands(settings.tasks));
    data::fill(&sql, settings.tasks, settings.seed).await?;
    let version: String = sql.query_one("SHOW server_version", &[]).await?.get(0);
    let token_key = data::token_key(&sql).await?;
    let service = Server::start(&url, dir).await?;
    let target = Target {
        address: service.address.clone(),
        key,
    };
    let mut kind = data::default_list();
    kind.learn(&sql).await?;
    let grpc = Arc::new(GrpcCall::learn(&target, &kind).await?);
    let bench = Bench {
        settings,
        postmaster: postgres.pid(),
        ready_made: Server::start_ready_made(&grpc.right, dir).await?,
        pgbench: Pgbench::new(postgres.pid(), url, dir),
        script: Script::of(&kind, &token_key)?,
        json: Arc::new(JsonCall::learn(&target, &kind).await?),
        grpc,
        service,
    };
    let mut table = Table::default();
    let idle = bench.service.memory("VmRSS");
    let others = bench.default_list(&mut table).await?;
    bench.memory(idle, &mut table);
    for kind in other_lists(settings, &sql, &target).await? {
        bench
            .other_list(&kind, &target, &token_key, &mut table)
            .await?;
    }
    Ok(table.render(settings, &version, others))
}

/// Migrates, and makes the tenant and a key of it.
async fn prepare(url: &str) -> Result<String> {
    let app = App::new(&DbOptions {
        url: url.to_owned(),
        pool_size: 1,
        statement_timeout: None,
    })?;
    app.db().migration_run().await?;
    let tenant = TenantId::parse(TENANT)?;
    app.tenant_create(&tenant).await?;
    let key = app.key_create(&tenant, "benchmark", &[Scope::Read], None);
    Ok(key.await?.secret)
}

async fn other_lists(settings: &Settings, sql: &Client, target: &Target) -> Result<Vec<Kind>> {
    let mut kinds = data::other_lists(settings.tasks);
    let mut middle = data::middle_page(settings.tasks);
    middle.learn(sql).await?;
    let page = GrpcCall::learn(target, &middle).await?;
    kinds.push(middle.after(page.right.next_page_token));
    for kind in &mut kinds {
        kind.learn(sql).await?;
    }
    Ok(kinds)
}

impl Bench<'_> {
    /// The main rows; answers the part of the processor that other programs took.
    async fn default_list(&self, table: &mut Table) -> Result<f64> {
        let peaks = self.peaks().await?;
        self.rates(&peaks, table).await?;
        self.latencies(&peaks, table).await?;
        costs(&peaks, table);
        Ok(peaks.others)
    }

    async fn rates(&self, peaks: &Peaks, table: &mut Table) -> Result<()> {
        let Peaks {
            grpc,
            json,
            ready_made,
            pgbench,
            ..
        } = peaks;
        let both = 1.0 / (1.0 / pgbench + 1.0 / ready_made.measured.rate);
        let figure = |peak: &Peak| {
            let rate = rate(peak.measured.rate);
            format!(
                "{rate} ({} callers{})",
                peak.callers,
                refused(&peak.measured)
            )
        };
        let ratio = grpc.measured.rate / both;
        table.row(
            "gRPC, peak",
            figure(grpc),
            Some((format!("L = {}", rate(both)), ratio)),
        );
        let ratio = json.measured.rate / grpc.measured.rate;
        table.row(
            "JSON, peak",
            figure(json),
            Some((format!("gRPC {}", rate(grpc.measured.rate)), ratio)),
        );
        table.row("floor: pgbench, the same SQL", rate(*pgbench), None);
        if let Some(page) = self.script.page_alone() {
            let tps = self.pgbench.run(&page, 8, self.half().measure).await?;
            table.row("floor: pgbench, the page without total", rate(tps), None);
        }
        let size = thousands(self.grpc.right.encoded_len() as i64);
        let what = format!("floor: ready-made answer of {size} bytes over gRPC");
        table.row(&what, figure(ready_made), None);
        Ok(())
    }

    async fn latencies(&self, peaks: &Peaks, table: &mut Table) -> Result<()> {
        let one_statement = 1000.0 / peaks.one_client;
        let one_caller = &peaks.one_caller;
        let floor = (
            format!("pgbench, mean {one_statement:.2} ms"),
            one_caller.millis(0.5) / one_statement,
        );
        table.row(
            "gRPC, one caller: p50 / p90 / p99",
            quantiles(one_caller),
            Some(floor),
        );
        let half = peaks.grpc.measured.rate / 2.0;
        let work = Caller::grpc(&self.service.address, MANY, &self.grpc).await?;
        let seen = load::open(work, self.settings.phase, half).await?;
        let what = format!("gRPC at half of its peak, {}: p50 / p90 / p99", rate(half));
        table.row(&what, quantiles(&seen), None);
        let half = peaks.json.measured.rate / 2.0;
        let work = Caller::json(MANY, &self.json).await?;
        let seen = load::open(work, self.settings.phase, half).await?;
        let what = format!("JSON at half of its peak, {}: p50 / p90 / p99", rate(half));
        table.row(&what, quantiles(&seen), None);
        Ok(())
    }

    fn memory(&self, idle: f64, table: &mut Table) {
        let most = self.service.memory("VmHWM");
        table.row(
            "service's memory, idle / highest",
            format!("{idle:.0} / {most:.0} MiB"),
            None,
        );
    }

    /// A list other than the default one, in shorter phases, over gRPC only.
    async fn other_list(
        &self,
        kind: &Kind,
        target: &Target,
        key: &TokenKey,
        table: &mut Table,
    ) -> Result<()> {
        eprintln!("{}", kind.name);
        let call = Arc::new(GrpcCall::learn(target, kind).await?);
        let work = Caller::grpc(&target.address, SOME, &call).await?;
        let seen = load::closed(work, self.half()).await?;
        let tps = self
            .pgbench
            .run(&Script::of(kind, key)?, 8, self.half().measure)
            .await?;
        let what = format!(
            "gRPC, {} ({} tasks): peak, p50 / p90 / p99",
            kind.name,
            thousands(kind.total)
        );
        let figure = format!("{}, {}", rate(seen.rate), quantiles(&seen));
        table.row(
            &what,
            figure,
            Some((format!("pgbench {}", rate(tps)), seen.rate / tps)),
        );
        Ok(())
    }

    fn half(&self) -> Phase {
        Phase {
            warm_up: self.settings.phase.warm_up / 2,
            measure: (self.settings.phase.measure / 2).max(Duration::from_secs(1)),
        }
    }
}

fn costs(peaks: &Peaks, table: &mut Table) {
    for (name, peak) in [
        ("gRPC", &peaks.grpc),
        ("JSON", &peaks.json),
        ("ready-made answer", &peaks.ready_made),
    ] {
        let Peak {
            server,
            postgres,
            client,
            ..
        } = peak;
        let what = format!("processor time a call, {name}: server / PostgreSQL / caller");
        table.row(
            &what,
            format!("{server:.0} / {postgres:.0} / {client:.0} µs"),
            None,
        );
    }
}
