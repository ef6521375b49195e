//! A server in this process, on a port of its own, with a tenant and a key.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use outbound_tasks::{
    app::{App, Retention},
    domain::{key::Scope, tenant::TenantId},
    pb::outbound_task_service_client::OutboundTaskServiceClient,
    quota::Limits as Quotas,
    request::{AddressLimits, ResponseLimits},
    server::{self, Limits, Options, Origins},
    telemetry::Metrics,
};
use strum::VariantArray;
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::{
    Request,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

use super::{
    database::Database,
    http::Http,
    tasks::{Json, to_ndjson},
    wire::{Caller, WIRES},
};

/// The size of the cache of lists, as the service's default.
const LIST_CACHE: usize = 64 << 20;

pub struct Server {
    pub database: Database,
    pub app: Arc<App>,
    /// The application as commands have it, for tenants and keys.
    pub operator: App,
    pub address: SocketAddr,
    /// A key of the tenant `demo` with every scope.
    pub key: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The retention of tests about the audit.
pub fn kept(audit: chrono::TimeDelta) -> Retention {
    Retention {
        audit,
        watch: chrono::TimeDelta::hours(1),
    }
}

pub fn options() -> Options {
    Options {
        request_timeout: Duration::from_secs(20),
        // Tests cut calls off at any moment.
        min_request_timeout: Duration::ZERO,
        max_request_timeout: Duration::from_secs(30),
        stream_timeout: Duration::from_secs(60),
        message_timeout: Duration::from_secs(20),
        request_buffer: 64 << 20,
        max_import_bytes: 64 << 20,
        max_keyless: 100,
        max_in_flight: 1024,
        max_watches: 1024,
        watch_buffer: 64 * 1024 * 1024,
        responses: ResponseLimits {
            connection: 16 << 20,
            tenant: 64 << 20,
            total: 256 << 20,
        },
        origins: Origins::Any,
        time_zone: chrono_tz::Tz::UTC,
        limits: Limits {
            connections: 1000,
            addresses: AddressLimits::default(),
            age: Duration::from_secs(600),
            age_grace: Duration::from_secs(5),
            header_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
        },
        tls: None,
        tracer: None,
        scheduler: false,
        retention: kept(chrono::TimeDelta::days(365)),
        shutdown_delay: Duration::ZERO,
        drain_timeout: Duration::from_secs(5),
    }
}

/// The application as a service has it.
fn new_app(database: &Database, list_cache: usize) -> Arc<App> {
    let app = App::new(&database.options()).unwrap();
    Arc::new(app.with_list_cache(list_cache))
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub async fn start_with(options: Options) -> Self {
        Self::start_on(Database::new().await, options).await
    }

    /// Starts without a cache of lists: each call has a statement of its own, also if others ask for the same list.
    pub async fn start_uncached(options: Options) -> Self {
        Self::start_cached(Database::new().await, options, 0).await
    }

    /// Starts with quotas and without a cache of lists.
    pub async fn start_limited(options: Options, limits: Quotas) -> Self {
        let database = Database::new().await;
        let app = App::new(&database.options()).unwrap().with_quotas(limits);
        Self::start_app(database, Arc::new(app), options).await
    }

    /// Starts on a migrated database, and creates the tenant `demo` with a key.
    pub async fn start_on(database: Database, options: Options) -> Self {
        Self::start_cached(database, options, LIST_CACHE).await
    }

    async fn start_cached(database: Database, options: Options, list_cache: usize) -> Self {
        let app = new_app(&database, list_cache);
        Self::start_app(database, app, options).await
    }

    async fn start_app(database: Database, app: Arc<App>, options: Options) -> Self {
        // This process has both ends of each connection.
        rlimit::increase_nofile_limit(u64::MAX).unwrap();
        let tenant = TenantId::parse("demo").unwrap();
        let operator = database.operator();
        operator.tenant_create(&tenant).await.unwrap();
        let key = operator
            .key_create(&tenant, "test", Scope::VARIANTS, None)
            .await
            .unwrap()
            .secret;
        Self::serve(database, app, key, options).await
    }

    /// Another service on the same database.
    pub async fn beside(&self) -> Self {
        self.beside_with_cache(LIST_CACHE).await
    }

    /// The same, with a cache of this many bytes.
    pub async fn beside_with_cache(&self, list_cache: usize) -> Self {
        let name = format!("{}-2", self.database.application);
        let database = self.database.named(&name);
        let app = new_app(&database, list_cache);
        Self::serve(database, app, self.key.clone(), options()).await
    }

    /// Another one with quotas.
    pub async fn beside_limited(&self, limits: Quotas) -> Self {
        let database = self
            .database
            .named(&format!("{}-2", self.database.application));
        let app = App::new(&database.options()).unwrap().with_quotas(limits);
        Self::serve(database, Arc::new(app), self.key.clone(), options()).await
    }

    async fn serve(database: Database, app: Arc<App>, key: String, options: Options) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = server::serve(
            listener,
            Arc::clone(&app),
            Arc::new(Metrics::default()),
            options,
            async {
                let _ = stopped.await;
            },
        );
        let task = tokio::spawn(async { served.await.unwrap() });
        Self {
            operator: database.operator(),
            database,
            app,
            address,
            key,
            stop: Some(stop),
            task,
        }
    }

    /// Stops the server gracefully and waits for the end.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap();
    }

    /// Checks that it answers over every transport.
    pub async fn assert_serves(&self) {
        let caller = Caller::new(self.address);
        for wire in WIRES {
            let answer = caller.list(wire, &[("x-api-key", &self.key)]).await;
            assert_eq!(answer.code, tonic::Code::Ok, "{wire:?}: {answer:?}");
        }
    }

    /// Imports tasks into `demo` with the import command.
    pub async fn import(&self, tasks: &[Json]) {
        self.import_as("demo", tasks).await;
    }

    pub async fn import_as(&self, tenant: &str, tasks: &[Json]) {
        let arguments = ["import", "-", "--tenant", tenant];
        self.database
            .succeed(&arguments, to_ndjson(tasks).as_bytes())
            .await;
    }

    /// Creates another tenant and returns a key of it.
    pub async fn tenant(&self, id: &str) -> String {
        let tenant = TenantId::parse(id).unwrap();
        self.operator.tenant_create(&tenant).await.unwrap();
        self.another_key(id).await
    }

    /// Creates another key of a tenant.
    pub async fn another_key(&self, tenant: &str) -> String {
        let tenant = TenantId::parse(tenant).unwrap();
        self.operator
            .key_create(&tenant, "test", Scope::VARIANTS, None)
            .await
            .unwrap()
            .secret
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn grpc(&self) -> OutboundTaskServiceClient<Channel> {
        OutboundTaskServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    /// A request with the server's key.
    pub fn request<T>(&self, message: T) -> Request<T> {
        request_with(&self.key, message)
    }

    pub fn http(&self) -> Http {
        Http::new(self.address, &self.key)
    }
}

pub fn request_with<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let key = MetadataValue::try_from(key).unwrap();
    request.metadata_mut().insert("x-api-key", key);
    request
}
