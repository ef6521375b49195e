//! `outbound-tasks serve`: the service on an existing PostgreSQL.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::Args;
use http::HeaderValue;
use tokio::{net::TcpListener, sync::watch};

use super::terminal::failed;
use crate::{
    app::{App, OWN_CONNECTIONS, RowSecurity},
    config::{Database, ListenAddress, Serving, duration_or_zero, origin, tls::TlsSettings},
    error::{Error, ErrorKind, Result},
    server::{self, Origins, Tls, admin::AdminTimeouts},
    telemetry::{self, Metrics},
};

/// Serve tasks from an existing database
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    tls: TlsSettings,
    /// Address or host name to listen on for /metrics, /livez, /readyz and /log-level; keep it private
    #[arg(
        long,
        env = "OUTBOUND_TASKS_ADMIN_LISTEN",
        default_value = "127.0.0.1:9090"
    )]
    admin_listen: ListenAddress,
    /// Web origin that may call the service, such as `https://console.example.com`; repeat or separate by commas
    #[arg(long, env = "OUTBOUND_TASKS_CORS_ORIGIN", value_delimiter = ',', value_parser = origin)]
    cors_origin: Vec<HeaderValue>,
    /// Start only if row-level security restricts the database role: it must not own the tables, be a superuser or have
    /// BYPASSRLS
    #[arg(long, env = "OUTBOUND_TASKS_REQUIRE_ROW_SECURITY")]
    require_row_security: bool,
    /// How long to continue serving with health NOT_SERVING after a stop signal
    #[arg(long, env = "OUTBOUND_TASKS_SHUTDOWN_DELAY", default_value = "5s", value_parser = duration_or_zero)]
    shutdown_delay: Duration,
}

impl Serve {
    pub(super) async fn run(self) -> Result<()> {
        // First of all, because SIGHUP ends a program that does not listen to it, and whatever renews certificates or rotates
        // logs sends it at any time. A signal that comes during the start is handled after it.
        let mut hangup = hangup_signal()?;
        let url = self.database.url()?;
        self.serving.check()?;
        let metrics = Arc::new(Metrics::default());
        // Before the database is needed: unusable files are the operator's mistake, and quickly found.
        let tls = self.tls(&metrics)?;
        let tracer = self.serving.tracer(&metrics)?;
        let app = App::new(&self.serving.database(url, self.database.password()))?;
        let app = app.with_list_cache(self.serving.list_cache);
        let app = Arc::new(app.with_quotas(self.serving.quotas()));
        // A service on a wrong schema would fail each call; it is better that it does not start.
        check_schema(&app).await?;
        let row_security = self.check_row_security(&app).await?;
        open_connections(&app, &self.serving).await?;
        let listener = bind("--listen", &self.serving.listen).await?;
        let admin = bind("--admin-listen", &self.admin_listen).await?;
        let (most, what) = self.serving.most_connections();
        tracing::info!("{row_security}");
        tracing::info!("at most {most} database connections: {what}");
        tracing::info!(listen = %bound(&listener)?, admin = %bound(&admin)?, "serving");
        warn_of_plain_text(&listener, tls.is_some())?;
        let (stopping, is_stopping) = watch::channel(false);
        // The operator's port stays open while the service drains, so that the end can be watched.
        let admin = tokio::spawn(server::admin::serve(
            admin,
            Arc::clone(&app),
            Arc::clone(&metrics),
            is_stopping,
            tls.clone().filter(|_| self.tls.admin_tls),
            AdminTimeouts {
                header: self.serving.header_timeout,
                idle: self.serving.idle_timeout,
            },
        ));
        let reload = match tls.clone() {
            Some(tls) => tokio::spawn(tls.run_reload(hangup)),
            None => tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    tracing::info!("SIGHUP: there is no certificate to load again");
                }
            }),
        };
        let origins = Origins::These(self.cors_origin);
        let addresses = self.serving.address_limits();
        let options = self
            .serving
            .options(origins, self.shutdown_delay, tls, addresses, tracer);
        let stop = stop_signal()?;
        let stop = async move {
            stop.await;
            stopping.send_replace(true);
        };
        let served = server::serve(listener, app, metrics, options, stop).await;
        admin.abort();
        reload.abort();
        served
    }

    /// The settings whose defaults are those of this command, with their values.
    pub(super) fn limits(&self) -> [(&'static str, String); 6] {
        self.serving.limits_for_others()
    }

    /// Checks the settings and the files that they name, without asking the database. Returns a description of the
    /// database.
    pub(super) async fn check_settings(&self) -> Result<String> {
        let url = self.database.url()?;
        let database = self.database.summary()?;
        self.serving.check()?;
        self.tls(&Arc::default())?;
        self.serving.tracer(&Arc::default())?;
        App::new(&self.serving.database(url, self.database.password()))?;
        let (listen, admin) = (&self.serving.listen, &self.admin_listen);
        let resolve = async |address: &ListenAddress| {
            let resolved = address.resolve().await;
            resolved.map_err(|error| failed(format!("cannot listen on {address}"), error))
        };
        let addresses = (resolve(listen).await?, resolve(admin).await?);
        if addresses
            .0
            .iter()
            .any(|a| addresses.1.iter().any(|b| collide(a, b)))
        {
            let why = format!("--listen {listen} and --admin-listen {admin} take the same port");
            return Err(Error::new(ErrorKind::BadUsage, why));
        }
        Ok(database)
    }

    /// Whether row-level security applies, as a sentence. FAILED_PRECONDITION if it is required and does not.
    async fn check_row_security(&self, app: &App) -> Result<String> {
        let RowSecurity { role, unrestricted } = app.row_security().await?;
        match unrestricted {
            None => Ok(format!(
                "row-level security restricts the role {role:?} to one tenant at a time"
            )),
            Some(why) => {
                let why = format!("row-level security does not restrict the role {role:?}: {why}");
                match self.require_row_security {
                    true => Err(Error::new(ErrorKind::FailedPrecondition, why)),
                    false => Ok(why),
                }
            }
        }
    }

    /// Loads the certificate; `None` without one.
    fn tls(&self, metrics: &Arc<Metrics>) -> Result<Option<Arc<Tls>>> {
        let Some(files) = self.tls.files() else {
            return Ok(None);
        };
        let tls = Tls::load(files, self.tls.tls_handshake_timeout, Arc::clone(metrics))?;
        Ok(Some(Arc::new(tls)))
    }
}

/// Opens the permanent connections. Returns an error if the database grants too few to serve calls, and logs a warning
/// if it grants fewer than configured or fewer than the service may need.
async fn open_connections(app: &App, serving: &Serving) -> Result<()> {
    // `kept` connections are always open. `most` also counts those of exports, uploads and watches,
    // which are opened on demand.
    let (kept, (most, _)) = (usize::from(serving.pool_size), serving.most_connections());
    let limit = app.connection_limit().await?;
    let allowed = limit.connections();
    let calls = serving.calls_connections();
    // Asked of PostgreSQL itself: the limits alone do not tell how many connections other programs
    // have.
    let granted = app.warm_up(calls, OWN_CONNECTIONS).await?;
    let given = granted.connections;
    let limit = match granted.is_pooler_full {
        true => {
            "the connection pooler before it has no more (default_pool_size, max_db_connections)"
                .to_owned()
        }
        false => limit.to_string(),
    };
    if given <= OWN_CONNECTIONS {
        return Err(Error::new(
            ErrorKind::FailedPrecondition,
            format!(
                "the database gives the service {given} connections but it needs at least {}: {OWN_CONNECTIONS} for \
                itself and one for calls; {limit}; raise the limit, or close other connections",
                OWN_CONNECTIONS + 1
            ),
        ));
    }
    if given < kept {
        tracing::warn!(
            "the database gives the service {given} of {kept} connections, and it goes on with those: it needs \
            --pool-size {kept} and up to {} more on demand; {limit}",
            most - kept
        );
    } else if allowed < most {
        tracing::warn!(
            "the service may need {most} connections, more than the database allows: {limit}; beyond that, exports, \
            uploads and starting watches use connections for calls"
        );
    }
    Ok(())
}

/// FAILED_PRECONDITION unless all migrations of this program are applied.
pub(super) async fn check_schema(app: &App) -> Result<()> {
    let missing = app.missing_migrations().await?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::FailedPrecondition,
        format!(
            "the database schema lacks {} migrations; run `outbound-tasks migrate` to apply them: {}",
            missing.len(),
            missing.join(", ")
        ),
    ))
}

/// `flag` is the setting that has the address.
pub(super) async fn bind(flag: &str, address: &ListenAddress) -> Result<TcpListener> {
    let failed = |error| failed(format!("cannot listen on {address} ({flag})"), error);
    let resolved = address.resolve().await.map_err(failed)?;
    TcpListener::bind(&*resolved).await.map_err(failed)
}

/// Whether two listeners at these addresses would take the same port. Port 0 stands for any free one.
fn collide(a: &SocketAddr, b: &SocketAddr) -> bool {
    // `[::]` takes the port of IPv4 too, and `0.0.0.0` that of IPv4 alone.
    let covers = |a: &SocketAddr, b: &SocketAddr| {
        a.ip() == b.ip() || (a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4()))
    };
    a.port() == b.port() && a.port() != 0 && (covers(a, b) || covers(b, a))
}

/// The actual address of a listener; port 0 is replaced by the assigned port.
fn bound(listener: &TcpListener) -> Result<SocketAddr> {
    let address = listener.local_addr();
    address.map_err(|error| failed("the listener has no address", error))
}

/// Logs a warning if callers on other machines send their keys unencrypted.
pub(super) fn warn_of_plain_text(listener: &TcpListener, is_tls: bool) -> Result<()> {
    let address = bound(listener)?;
    if !is_tls && !address.ip().is_loopback() {
        tracing::warn!(
            "{address} is reachable from other machines without TLS, so keys and tasks cross the network unencrypted: set \
             --tls-cert and --tls-key, or let only a proxy with TLS reach it"
        );
    }
    Ok(())
}

/// SIGHUP, at which programs load their files again.
fn hangup_signal() -> Result<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::hangup()).map_err(|error| failed("cannot listen to signals", error))
}

/// Resolves at the first SIGINT or SIGTERM. A second signal ends the program immediately.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| failed("cannot listen to signals", error));
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            tracing::warn!("stopped immediately by a second signal");
            telemetry::end_logging();
            std::process::exit(1);
        });
    })
}
