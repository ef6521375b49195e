//! The run: fill the database, start the servers, measure in turns, write the table.

use std::{path::Path, sync::Arc, time::Instant};

use outbound_tasks::{
    app::App,
    db::{DbOptions, Password},
    domain::{key::Scope, order::TaskOrder, page::TokenKey, tenant::TenantId},
};
use strum::{EnumString, VariantArray};
use tokio_postgres::Client;

use crate::{
    Result, Settings,
    client::{GrpcCall, JsonCall, Target},
    data::{self, TENANT},
    floors::{Pgbench, Script},
    lists::{Filter, List},
    row_security,
    service::{self, Server},
    table::{Table, thousands},
};

pub(crate) const DATABASE: &str = "postgres";

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
    /// Attention, sums of targets, copies. The last one, because it changes many tasks.
    Desk,
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
    if wants(Part::Desk) {
        bench.restart(dir, &["--list-cache", "0"], &list).await?;
        bench.desk(&mut table).await?;
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
        password: Password::None,
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

    fn memory(&self, idle: f64, table: &mut Table) {
        let most = self.service.memory("VmHWM");
        table.row(
            "service's memory, idle / highest",
            format!("{idle:.0} / {most:.0} MiB"),
            None,
        );
    }
}
