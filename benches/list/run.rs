//! The run: fill the database, start the servers, measure in turns, write the table.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use outbound_tasks::{
    app::App,
    db::DbOptions,
    domain::{key::Scope, order::TaskOrder, page::TokenKey, tenant::TenantId},
};
use prost::Message;
use strum::{EnumString, VariantArray};
use tokio_postgres::Client;

use crate::{
    Result, Settings, cached,
    client::{Caller, GrpcCall, JsonCall, Target},
    data::{self, TENANT},
    floors::{Pgbench, Script},
    lists::{Filter, List},
    load::{self, Phase},
    peaks::{Peak, Peaks},
    row_security,
    service::{self, Server},
    table::{Table, quantiles, rate, refused, thousands},
};

pub(crate) const DATABASE: &str = "postgres";
/// Callers of the open loops.
const MANY: usize = 64;
/// Minimum duration of an open loop. In a shorter one a single stall of some milliseconds delays the calls beyond the 99th
/// percentile.
const OPEN_LOOP: Duration = Duration::from_secs(5);

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Part {
    /// The repeated list, from the cache.
    Cached,
    /// The repeated list without the cache.
    Uncached,
    /// A tenant beside one that uses all that it gets.
    Fairness,
    /// Many more callers than can be answered.
    Overload,
    /// Quotas and TLS, on and off.
    Guards,
    /// Different lists.
    Mixed,
    /// Totals in the database alone.
    Totals,
    /// Pages by number and by token.
    Pages,
    /// Filters whose cost follows what matches.
    Filters,
    /// Lists and changes with and without row-level security.
    RowSecurity,
    /// Writers in plain SQL, and over gRPC.
    Writers,
    /// Watches.
    Watches,
    /// The console's first table.
    Console,
    /// Exports.
    Exports,
    /// Imports.
    Imports,
}

/// Everything that a run measures.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    /// The settings of the run.
    pub(crate) settings: &'a Settings,
    /// The database, as the owner of the tables.
    pub(crate) url: String,
    /// The database, as the role of the service.
    pub(crate) service_url: String,
    /// A connection for plain SQL.
    pub(crate) sql: Client,
    /// PostgreSQL's process id.
    pub(crate) postmaster: u32,
    /// The real program.
    pub(crate) service: Server,
    /// The address of the program.
    pub(crate) target: Target,
    /// The tenant's key.
    pub(crate) token_key: TokenKey,
    /// The floor of the transport.
    pub(crate) ready_made: Server,
    /// The floor of the database.
    pub(crate) pgbench: Pgbench,
    /// The service's statement for the default list.
    pub(crate) script: Script,
    /// The default list over gRPC.
    pub(crate) grpc: Arc<GrpcCall>,
    /// The default list over HTTP GET.
    pub(crate) json: Arc<JsonCall>,
}

/// Fills the database unless it is full, measures, and returns the text to print.
pub(crate) async fn run(settings: &Settings, url: String, dir: &Path) -> Result<String> {
    let key = prepare(&url).await?;
    let sql = data::connect(&url).await?;
    let any = sql.query_opt("SELECT FROM tasks LIMIT 1", &[]).await?;
    if any.is_none() {
        eprintln!("filling {} tasks", thousands(settings.tasks));
        data::fill(&sql, settings.tasks, settings.seed).await?;
    }
    let version: String = sql.query_one("SHOW server_version", &[]).await?.get(0);
    let backend: i32 = sql.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    let postmaster =
        service::parent(backend as u32).ok_or("PostgreSQL must run on this machine")?;
    let mut list = List::new(Filter::default(), TaskOrder::default());
    list.learn(&sql).await?;

    let began = Instant::now();
    let service_url = match settings.row_security {
        true => row_security::restricted(&url, &sql).await?,
        false => url.clone(),
    };
    let service = Server::start(&service_url, dir, &[]).await?;
    let target = Target {
        address: service.address.clone(),
        key,
    };
    let grpc = Arc::new(GrpcCall::learn(&target, &list).await?);
    let start = began.elapsed();

    let token_key = data::token_key(&sql).await?;
    let mut bench = Bench {
        settings,
        ready_made: Server::start_ready_made(&grpc.right, dir).await?,
        pgbench: Pgbench::new(postmaster, url.clone(), dir),
        script: Script::of(TENANT, &list.request, &token_key)?,
        json: Arc::new(JsonCall::learn(&target, &list).await?),
        url,
        service_url,
        sql,
        postmaster,
        service,
        target,
        token_key,
        grpc,
    };
    let mut table = Table::default();
    let idle = bench.service.memory("VmRSS");
    let wants = |part: Part| settings.parts.contains(&part);
    let mut others = None;
    if wants(Part::Cached) {
        others = Some(bench.default_list("", &mut table).await?);
        bench.changing_lists(&mut table).await?;
        bench.memory(idle, &mut table);
        table.row(
            "start of the service to its first answer",
            format!("{} ms", start.as_millis()),
            None,
        );
    }
    // Repeated lists come from the cache. What lists cost is seen without it.
    bench.restart(dir, &["--list-cache", "0"], &list).await?;
    if wants(Part::Uncached) {
        others = Some(bench.default_list(", no cache", &mut table).await?);
    }
    if wants(Part::Fairness) {
        bench.fairness(&mut table).await?;
    }
    if wants(Part::Overload) {
        bench.overload(&mut table).await?;
    }
    if wants(Part::Guards) {
        bench.guards(dir, &mut table).await?;
    }
    if wants(Part::Mixed) {
        bench.different_lists(dir, &mut table).await?;
    }
    if wants(Part::Totals) {
        bench.totals(&mut table).await?;
    }
    if wants(Part::Pages) {
        bench.pages_by_number(&mut table).await?;
        bench.pages_by_token(&mut table).await?;
    }
    if wants(Part::Filters) {
        bench.other_lists(&mut table).await?;
    }
    if wants(Part::RowSecurity) {
        bench.row_security(dir, &mut table).await?;
    }
    bench.restart(dir, &[], &list).await?;
    if wants(Part::Writers) {
        bench.writers(&mut table).await?;
        bench.changes(&mut table).await?;
    }
    if wants(Part::Watches) {
        bench.watches(&mut table).await?;
    }
    if wants(Part::Console) {
        bench.console(&mut table).await?;
    }
    if wants(Part::Exports) {
        bench.exports(dir, &mut table).await?;
    }
    if wants(Part::Imports) {
        bench.imports(dir, &mut table).await?;
    }
    Ok(table.render(settings, &version, others))
}

/// Migrates the database, and creates the tenant and a key.
pub(crate) async fn prepare(url: &str) -> Result<String> {
    let app = app(url)?;
    app.migration_run().await?;
    let tenant = TenantId::parse(TENANT)?;
    if !app.tenants().await?.contains(&tenant) {
        app.tenant_create(&tenant).await?;
    }
    create_key(&app, &tenant).await
}

/// A new key of a tenant.
pub(crate) async fn key_of(url: &str, tenant: &str) -> Result<String> {
    create_key(&app(url)?, &TenantId::parse(tenant)?).await
}

fn app(url: &str) -> Result<App> {
    Ok(App::new(&DbOptions {
        url: url.to_owned(),
        pool_size: 1,
        exports: 1,
        statement_timeout: None,
    })?)
}

async fn create_key(app: &App, tenant: &TenantId) -> Result<String> {
    let key = app.key_create(tenant, "benchmark", &[Scope::Read, Scope::Write], None);
    Ok(key.await?.secret)
}

impl Bench<'_> {
    /// Starts the program anew, with other arguments.
    async fn restart(&mut self, dir: &Path, arguments: &[&str], list: &List) -> Result<()> {
        self.service = Server::start(&self.service_url, dir, arguments).await?;
        self.target.address.clone_from(&self.service.address);
        self.grpc = Arc::new(GrpcCall::learn(&self.target, list).await?);
        self.json = Arc::new(JsonCall::learn(&self.target, list).await?);
        Ok(())
    }

    /// The main table rows. Their names end with `suffix`, which is empty for the program's defaults. Returns the share of
    /// the processor that other programs used.
    async fn default_list(&self, suffix: &str, table: &mut Table) -> Result<f64> {
        let peaks = self.peaks().await?;
        self.rates(&peaks, suffix, table).await?;
        self.latencies(&peaks, suffix, table).await?;
        costs(&peaks, suffix, table);
        Ok(peaks.others)
    }

    async fn rates(&self, peaks: &Peaks, suffix: &str, table: &mut Table) -> Result<()> {
        let Peaks {
            grpc,
            json,
            ready_made,
            pgbench,
            ..
        } = peaks;
        let is_cached = suffix.is_empty();
        let ready = ready_made.measured.rate;
        let both = 1.0 / (1.0 / pgbench + 1.0 / ready);
        let figure = |peak: &Peak| {
            let rate = rate(peak.measured.rate);
            format!(
                "{rate} ({} callers{})",
                peak.callers,
                refused(&peak.measured)
            )
        };
        // A repeated list needs no statement of its own, so the ready-made answer alone is its floor.
        let [grpc_floor, json_floor] = match is_cached {
            true => [("ready-made", ready); 2],
            false => [("L =", both), ("gRPC", grpc.measured.rate)],
        };
        for (name, peak, (floor, floor_rate)) in
            [("gRPC", grpc, grpc_floor), ("JSON", json, json_floor)]
        {
            table.row(
                &format!("{name}, peak{suffix}"),
                figure(peak),
                Some((
                    format!("{floor} {}", rate(floor_rate)),
                    peak.measured.rate / floor_rate,
                )),
            );
        }
        if is_cached {
            table.row("floor: pgbench, the same SQL", rate(*pgbench), None);
            let size = thousands(self.grpc.right.encoded_len() as i64);
            let what = format!("floor: ready-made answer of {size} bytes over gRPC");
            table.row(&what, figure(ready_made), None);
        }
        Ok(())
    }

    async fn latencies(&self, peaks: &Peaks, suffix: &str, table: &mut Table) -> Result<()> {
        let one_caller = &peaks.one_caller;
        let is_cached = suffix.is_empty();
        let (name, one_statement) = match is_cached {
            true => {
                let length = self.settings.phase.measure;
                let checks = self
                    .pgbench
                    .run(&cached::check_script()?, 1, length)
                    .await?;
                ("pgbench running the check", 1000.0 / checks)
            }
            false => ("pgbench", 1000.0 / peaks.one_client),
        };
        let floor = (
            format!("{name}, mean {one_statement:.2} ms"),
            one_caller.millis(0.5) / one_statement,
        );
        table.row(
            &format!("gRPC, one caller{suffix}: p50 / p90 / p99"),
            quantiles(one_caller),
            Some(floor),
        );
        let half = peaks.grpc.measured.rate / 2.0;
        let work = async || Caller::grpc(&self.service.address, MANY, &self.grpc).await;
        let what = format!("gRPC at half of its peak{suffix}");
        self.at_rate(&what, half, work, table).await?;
        if is_cached {
            let work = async || Caller::grpc(&self.ready_made.address, MANY, &self.grpc).await;
            self.at_rate("floor: ready-made answer", half, work, table)
                .await?;
        }
        let work = async || Caller::json(MANY, &self.json).await;
        let what = format!("JSON at half of its peak{suffix}");
        self.at_rate(&what, peaks.json.measured.rate / 2.0, work, table)
            .await
    }

    /// The median of three phases in an open loop, so that a short load of another program does not count.
    async fn at_rate(
        &self,
        what: &str,
        calls: f64,
        work: impl AsyncFn() -> Result<Vec<Caller>>,
        table: &mut Table,
    ) -> Result<()> {
        let phase = Phase {
            measure: self.settings.phase.measure.max(OPEN_LOOP),
            ..self.settings.phase
        };
        let mut phases = Vec::new();
        for _ in 0..3 {
            let work = work().await?;
            let others = self.others();
            let seen = load::open(work, phase, calls).await?;
            phases.push((seen, others.share(self)));
        }
        phases.sort_by(|(a, _), (b, _)| a.millis(0.99).total_cmp(&b.millis(0.99)));
        let (seen, others) = phases.swap_remove(1);
        let p50 = seen.millis(0.5);
        table.row(
            &format!("{what}, {}: p50 / p90 / p99", rate(calls)),
            format!(
                "{}; others took {:.0} % of the processor",
                quantiles(&seen),
                others * 100.0
            ),
            Some(("p50".to_owned(), seen.millis(0.99) / p50)),
        );
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
}

fn costs(peaks: &Peaks, suffix: &str, table: &mut Table) {
    for (name, peak) in [
        ("gRPC", &peaks.grpc),
        ("JSON", &peaks.json),
        ("ready-made answer", &peaks.ready_made),
    ] {
        if name == "ready-made answer" && !suffix.is_empty() {
            continue;
        }
        let Peak {
            server,
            postgres,
            client,
            ..
        } = peak;
        let what = format!("processor time a call, {name}{suffix}: server / PostgreSQL / caller");
        table.row(
            &what,
            format!("{server:.0} / {postgres:.0} / {client:.0} µs"),
            None,
        );
    }
}
