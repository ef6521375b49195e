//! `outbound-tasks dev`: a complete service with its own PostgreSQL, for a first try and for development.

mod certificate;
mod private_file;
mod samples;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use clap::Args;
use strum::VariantArray;

use super::{
    import, serve,
    terminal::{failed, print},
};
use crate::{
    app::{
        App, DbOptions, Password,
        import::{Import, Source},
    },
    config::Serving,
    domain::{key::Scope, tenant::TenantId},
    embedded::{Durability, Embedded},
    error::Result,
    gateway::console::IS_BUILT,
    server::{self, Origins, Tls},
    telemetry::Metrics,
};

const TENANT: &str = "demo";
const ENV_FILE: &str = "dev.env";
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Start a private PostgreSQL with sample tasks and serve them; needs no other setup
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Directory of the database
    #[arg(
        long,
        env = "OUTBOUND_TASKS_DATA_DIR",
        default_value = ".outbound-tasks"
    )]
    data_dir: PathBuf,
    /// File of tasks to load on the first start instead of the samples, in a format of `import`
    #[arg(long, env = "OUTBOUND_TASKS_TASKS")]
    tasks: Option<PathBuf>,
    /// Serve over TLS, with a certificate of an authority that is made for it; dev.env names the authority's file
    #[arg(long, env = "OUTBOUND_TASKS_TLS")]
    tls: bool,
    #[command(flatten)]
    serving: Serving,
}

impl Dev {
    pub(super) async fn run(self) -> Result<()> {
        self.serving.check()?;
        if let Some(file) = &self.tasks {
            std::fs::metadata(file).map_err(|e| failed(file.display(), e))?;
        }
        let stop = serve::stop_signal()?;
        tokio::pin!(stop);
        // Bound first, before files are created: a port in use is the most common failure.
        let listener = serve::bind("--listen", &self.serving.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|e| failed("the listener has no address", e))?;
        serve::warn_of_plain_text(&listener, self.tls)?;
        let mut postgres = Embedded::start(&self.data_dir, Durability::Durable)
            .await
            .map_err(|e| failed("the private PostgreSQL cannot start", e))?;
        let served = async {
            let metrics = Arc::new(Metrics::default());
            let tracer = self.serving.tracer(&metrics)?;
            let (tls, authority) = self.tls(address.ip(), &metrics)?.unzip();
            let scheme = if self.tls { "https" } else { "http" };
            let url = format!("{scheme}://{address}");
            let (app, key) = tokio::select! {
                prepared = self.prepare(&postgres, &url, authority.as_deref()) => prepared?,
                () = &mut stop => return Ok(()),
            };
            print(&self.welcome(&url, &key))?;
            let addresses = self.serving.addresses.developer_limits();
            let options =
                self.serving
                    .options(Origins::Any, Duration::ZERO, tls, addresses, tracer);
            let served = server::serve(listener, app, metrics, options, stop);
            tokio::select! {
                served = served => served,
                // Nothing restarts this PostgreSQL, so retries of callers would be pointless.
                () = postgres.ended() => Err(failed(
                    "the private PostgreSQL ended unexpectedly",
                    format!(
                        "see {}; the next start recovers the data",
                        self.data_dir.join("postgres.log").display()
                    ),
                )),
            }
        }
        .await;
        // PostgreSQL is stopped in order however serving ended, so that the next start needs no
        // recovery.
        let stopped = postgres.stop().await;
        served?;
        stopped.map_err(|e| failed("the private PostgreSQL did not shut down cleanly", e))
    }

    /// TLS and the file of its authority; `None` without `--tls`.
    fn tls(&self, address: IpAddr, metrics: &Arc<Metrics>) -> Result<Option<(Arc<Tls>, String)>> {
        if !self.tls {
            return Ok(None);
        }
        let issued = certificate::issued(&self.data_dir, address)?;
        let tls = Tls::load(issued.files, HANDSHAKE_TIMEOUT, Arc::clone(metrics))?;
        Ok(Some((
            Arc::new(tls),
            issued.authority.display().to_string(),
        )))
    }

    /// Applies the migrations, and creates the tenant, its tasks and the key if they are missing.
    async fn prepare(
        &self,
        postgres: &Embedded,
        url: &str,
        authority: Option<&str>,
    ) -> Result<(Arc<App>, String)> {
        let database_url = postgres.url("postgres");
        // The setup has no time limits: the import of a large file takes minutes.
        let setup = App::new(&DbOptions {
            url: database_url.clone(),
            password: Password::None,
            pool_size: 2,
            exports: 1,
            statement_timeout: None,
        })?;
        setup.migration_run().await?;
        let tenant = TenantId::parse(TENANT).expect("demo is made of a-z");
        if setup.tenant_check(&tenant).await.is_err() {
            setup.tenant_create(&tenant).await?;
        }
        // The tasks and not the tenant decide, so that a first start that failed in the import is
        // repeated.
        if !setup.tenant_has_tasks(&tenant).await? {
            let file = match &self.tasks {
                Some(file) => file.clone(),
                None => self.write_sample()?,
            };
            // When `dev` is stopped, the whole future is dropped, so the import needs no stop signal.
            let never = std::future::pending();
            import::import(&setup, &tenant, Import::new(Source::File(file)), never).await?;
        } else if self.tasks.is_some() {
            tracing::warn!(
                "{} already contains tasks; --tasks applies to the first start only",
                self.data_dir.display()
            );
        }
        let app = App::new(&self.serving.database(database_url.clone(), Password::None))?;
        let app = app.with_list_cache(self.serving.list_cache);
        let app = Arc::new(app.with_quotas(self.serving.quotas.developer_limits()));
        let key = self.key(&app, &tenant).await?;
        let mut values = vec![
            ("OUTBOUND_TASKS_URL", url),
            ("OUTBOUND_TASKS_API_KEY", &key),
            ("DATABASE_URL", &database_url),
        ];
        values.extend(authority.map(|file| ("OUTBOUND_TASKS_CA_FILE", file)));
        self.write_env(&values).map_err(|e| {
            failed(
                format!("{} cannot be written", self.env_file().display()),
                e,
            )
        })?;
        Ok((app, key))
    }

    fn write_sample(&self) -> Result<PathBuf> {
        let file = self.data_dir.join("sample_tasks.ndjson");
        std::fs::write(&file, samples::at(Utc::now()))
            .map_err(|e| failed(format!("{} cannot be written", file.display()), e))?;
        Ok(file)
    }

    /// The key of the previous start if it is still valid, so that saved commands keep working; else a new key.
    async fn key(&self, app: &Arc<App>, tenant: &TenantId) -> Result<String> {
        let env = std::fs::read_to_string(self.env_file()).unwrap_or_default();
        let kept = env.lines().find_map(|line| {
            line.strip_prefix("OUTBOUND_TASKS_API_KEY='")?
                .strip_suffix('\'')
        });
        if let Some(key) = kept
            && app.authenticate(Some(key), Scope::Admin).await.is_ok()
        {
            return Ok(key.to_owned());
        }
        let issued = app.key_create(tenant, "dev", Scope::VARIANTS, None).await?;
        Ok(issued.secret)
    }

    fn env_file(&self) -> PathBuf {
        self.data_dir.join(ENV_FILE)
    }

    /// Writes a file of environment variables for shells, readable only by its owner.
    fn write_env(&self, values: &[(&str, &str)]) -> std::io::Result<()> {
        let lines = values.iter().map(|(name, value)| {
            let value = value.replace('\'', r"'\''");
            format!("{name}='{value}'\n")
        });
        private_file::write(&self.env_file(), &lines.collect::<String>())
    }

    fn welcome(&self, url: &str, key: &str) -> String {
        let host = url.rsplit('/').next().unwrap_or(url);
        let (curl, grpcurl) = match self.tls {
            true => (
                r#"curl --cacert "$OUTBOUND_TASKS_CA_FILE""#,
                r#"grpcurl -cacert "$OUTBOUND_TASKS_CA_FILE""#,
            ),
            false => ("curl", "grpcurl -plaintext"),
        };
        let env = self.env_file();
        let env = Path::new(".").join(&env);
        // The commands use the variable instead of the key, which would otherwise end up in the shell's history.
        let header = r#"-H "x-api-key: $OUTBOUND_TASKS_API_KEY""#;
        format!(
            "outbound-tasks serves {url}\n\
             key: {key}\n\
             {console}\
             \n\
             Try these commands in another shell (the last ones need curl and grpcurl):\n\
             set -a; . {env}; set +a\n\
             {program} list --status active --limit 10\n\
             {curl} \"$OUTBOUND_TASKS_URL/api/v1/outboundtasks?page=1&limit=10&status=active\" {header}\n\
             {grpcurl} {header} -d '{{\"limit\":10}}' {host} \
             outboundtasks.v1.OutboundTaskService/ListOutboundTasks\n\
             printf '\\0\\0\\0\\0\\2\\20\\12' | {curl} -s --output - \
             \"$OUTBOUND_TASKS_URL/outboundtasks.v1.OutboundTaskService/ListOutboundTasks\" \
             -H 'content-type: application/grpc-web+proto' -H 'x-grpc-web: 1' {header} --data-binary @- | strings\n\n\
             Press Ctrl-C to stop the service and its PostgreSQL; the data stays in {dir}.",
            console = match IS_BUILT {
                true => format!("console: {url}/console/\n"),
                false => String::new(),
            },
            env = quote(&env),
            program = quote(&program()),
            dir = self.data_dir.display(),
        )
    }
}

/// The path of this program, from the current directory if it is below it.
fn program() -> PathBuf {
    let Ok(program) = std::env::current_exe() else {
        return PathBuf::from("outbound-tasks"); // if /proc is missing
    };
    let here = std::env::current_dir().ok();
    match here.as_deref().map(|here| program.strip_prefix(here)) {
        Some(Ok(below)) => Path::new(".").join(below),
        _ => program,
    }
}

/// Quotes a path for a POSIX shell.
fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
