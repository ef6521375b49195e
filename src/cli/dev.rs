//! `outbound-tasks dev`: the embedded default, everything in one command.

use std::{
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;

use super::{failed, import, print, serve};
use crate::{
    app::{
        App, DbOptions,
        import::{Import, Source},
    },
    config::Serving,
    domain::{key::Scope, tenant::TenantId},
    embedded::{Durability, Embedded},
    error::Result,
    gateway::console::IS_BUILT,
    server::{self, Origins},
    telemetry::Metrics,
};

const TENANT: &str = "demo";
const ENV_FILE: &str = "dev.env";
/// What a first start shows when no file is named.
const SAMPLE: &str = include_str!("sample_tasks.ndjson");

/// Start a private PostgreSQL with sample tasks and serve them: all there is to try
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Where the database is kept
    #[arg(
        long,
        env = "OUTBOUND_TASKS_DATA_DIR",
        default_value = ".outbound-tasks"
    )]
    data_dir: PathBuf,
    /// Tasks to load at the first start instead of the samples; as `import` takes them
    #[arg(long, env = "OUTBOUND_TASKS_TASKS")]
    tasks: Option<PathBuf>,
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
        // Before anything is made: a busy port is the most common reason to fail.
        let listener = serve::bind(self.serving.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|e| failed("the listener has no address", e))?;
        let mut postgres = Embedded::start(&self.data_dir, Durability::Durable)
            .await
            .map_err(|e| failed("the private PostgreSQL cannot start", e))?;
        let served = async {
            let url = format!("http://{address}");
            let (app, key) = tokio::select! {
                prepared = self.prepare(&postgres, &url) => prepared?,
                () = &mut stop => return Ok(()),
            };
            print(&self.welcome(&url, &key))?;
            let options = self.serving.options(Origins::Any, Duration::ZERO);
            let served = server::serve(listener, app, Arc::new(Metrics::default()), options, stop);
            tokio::select! {
                served = served => served,
                // Nothing here starts it again, so no caller's second try could succeed.
                () = postgres.ended() => Err(failed(
                    "the private PostgreSQL ended by itself",
                    format!(
                        "{} tells more; the next start recovers the data",
                        self.data_dir.join("postgres.log").display()
                    ),
                )),
            }
        }
        .await;
        let stopped = postgres.stop().await;
        served?;
        stopped.map_err(|e| failed("the private PostgreSQL did not stop in order", e))
    }

    /// Migrates; makes tenant, key and tasks where they are missing.
    async fn prepare(&self, postgres: &Embedded, url: &str) -> Result<(Arc<App>, String)> {
        let database_url = postgres.url("postgres");
        let setup = App::new(&DbOptions {
            url: database_url.clone(),
            pool_size: 2,
            exports: 1,
            statement_timeout: None,
        })?;
        setup.migration_run().await?;
        let tenant = TenantId::parse(TENANT).expect("demo is made of a-z");
        if setup.tenant_check(&tenant).await.is_err() {
            setup.tenant_create(&tenant).await?;
        }
        if !setup.tenant_has_tasks(&tenant).await? {
            let file = match &self.tasks {
                Some(file) => file.clone(),
                None => self.write_sample()?,
            };
            // Whoever stops `dev` drops all of this.
            let never = std::future::pending();
            import::import(&setup, &tenant, Import::new(Source::File(file)), never).await?;
        } else if self.tasks.is_some() {
            tracing::warn!(
                "{} holds tasks already; --tasks is for the first start",
                self.data_dir.display()
            );
        }
        let app = Arc::new(App::new(&self.serving.database(database_url.clone()))?);
        let key = self.key(&app, &tenant).await?;
        self.write_env(&[
            ("OUTBOUND_TASKS_URL", url),
            ("OUTBOUND_TASKS_API_KEY", &key),
            ("DATABASE_URL", &database_url),
        ])
        .map_err(|e| {
            failed(
                format!("{} cannot be written", self.env_file().display()),
                e,
            )
        })?;
        Ok((app, key))
    }

    fn write_sample(&self) -> Result<PathBuf> {
        let file = self.data_dir.join("sample_tasks.ndjson");
        std::fs::write(&file, SAMPLE)
            .map_err(|e| failed(format!("{} cannot be written", file.display()), e))?;
        Ok(file)
    }

    /// The key of the last start while it is good, so that what was pasted yesterday works today; else a new one.
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
        let issued = app.key_create(tenant, "dev", &Scope::ALL, None).await?;
        Ok(issued.secret)
    }

    fn env_file(&self) -> PathBuf {
        self.data_dir.join(ENV_FILE)
    }

    /// Writes what a shell can source, readable by its owner alone.
    fn write_env(&self, values: &[(&str, &str)]) -> std::io::Result<()> {
        let whole = self.env_file();
        let part = whole.with_extension("env.new");
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?;
        for (name, value) in values {
            writeln!(file, "{name}='{}'", value.replace('\'', r"'\''"))?;
        }
        file.sync_all()?;
        // Root may start what belongs to another; its owner must be able to read it the next time. Who may not give a
        // file away is not root, and owns it.
        let owner = std::fs::metadata(&self.data_dir)?;
        if owner.uid() != file.metadata()?.uid() {
            std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        std::fs::rename(part, whole)
    }

    fn welcome(&self, url: &str, key: &str) -> String {
        let host = url.trim_start_matches("http://");
        let env = self.env_file();
        let env = Path::new(".").join(&env);
        // Not the key itself: what is pasted stays in a shell's history, and a URL in the logs of every proxy.
        let header = r#"-H "x-api-key: $OUTBOUND_TASKS_API_KEY""#;
        format!(
            "outbound-tasks serves {url}\n\
             key: {key}\n\
             {console}\
             \n\
             Try, in a shell that has both:\n\
             . {env}\n\
             curl \"$OUTBOUND_TASKS_URL/api/v1/outboundtasks?page=1&limit=10&status=active\" {header}\n\
             grpcurl -plaintext {header} -d '{{\"limit\":10}}' {host} \
             outboundtasks.v1.OutboundTaskService/ListOutboundTasks\n\
             printf '\\0\\0\\0\\0\\2\\20\\12' | curl -s --output - \
             \"$OUTBOUND_TASKS_URL/outboundtasks.v1.OutboundTaskService/ListOutboundTasks\" \
             -H 'content-type: application/grpc-web+proto' -H 'x-grpc-web: 1' {header} --data-binary @- | strings\n\n\
             Ctrl-C stops the service and its PostgreSQL; the data stay in {dir}.",
            console = match IS_BUILT {
                true => format!("console: {url}/console/\n"),
                false => String::new(),
            },
            env = quote(&env),
            dir = self.data_dir.display(),
        )
    }
}

fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
