//! Two services on one database, one with a cache and one without, whose answers are compared.

use chrono::{DateTime, Utc};
use outbound_tasks::{app::CacheFigures, pb::ListOutboundTasksRequest};
use serde_json::Value;

use super::{
    client::Client,
    database::Database,
    server::{Server, options},
};

/// Turns the cache off.
pub const NO_CACHE: usize = 0;

/// Lists of every strategy, as gRPC asks for them and as parameters of a URL.
pub fn lists() -> Vec<(ListOutboundTasksRequest, &'static str)> {
    let all = ListOutboundTasksRequest::default();
    vec![
        (all.clone(), ""),
        (
            ListOutboundTasksRequest {
                status: vec![2],
                status_counts: true,
                target_sums: true,
                ..all.clone()
            },
            "status=running&status_counts=true&target_sums=true",
        ),
        (
            ListOutboundTasksRequest {
                customer_id: "c1".into(),
                ..all.clone()
            },
            "customer_id=c1",
        ),
        (
            ListOutboundTasksRequest {
                name: "GOLD".into(),
                order_by: 5,
                ..all.clone()
            },
            "name=GOLD&order_by=updated_at",
        ),
        (
            ListOutboundTasksRequest {
                task_ids: vec!["a".into(), "b".into(), "new".into()],
                limit: 2,
                ..all.clone()
            },
            "task_ids=a&task_ids=b&task_ids=new&limit=2",
        ),
    ]
}

/// An answer without its time, and the time.
pub type Timed = (String, DateTime<Utc>);

async fn grpc(client: &Client, request: &ListOutboundTasksRequest) -> Timed {
    let list = client.list_outbound_tasks(request.clone()).await.unwrap();
    let mut list = list.into_inner();
    let as_of = list.as_of.take().unwrap();
    let as_of = DateTime::from_timestamp(as_of.seconds, as_of.nanos as u32).unwrap();
    (format!("{list:?}"), as_of)
}

async fn json(server: &Server, query: &str) -> Timed {
    let answer = server.http().list(query).await;
    assert_eq!(answer.status, 200, "{query}");
    let mut list = answer.json();
    let Value::String(as_of) = list["as_of"].take() else {
        panic!("{list}");
    };
    (list.to_string(), as_of.parse().unwrap())
}

/// Tasks that are read one by one; some of them may not exist.
pub const IDS: [&str; 4] = ["a", "b", "i1", "new"];

/// One task over both transports; what does not exist is an error.
async fn get(server: &Server, client: &Client, id: &str) -> (String, bool) {
    let message = client.get(id).await;
    let exists = message.is_ok();
    let message = message.map_err(|status| (status.code(), status.message().to_owned()));
    let answer = server
        .http()
        .get(&format!("/api/v1/outboundtasks/{id}"))
        .await;
    let mut json = answer.json();
    if let Some(error) = json["error"].as_object_mut() {
        error.remove("request_id");
    }
    assert_eq!(answer.status, if exists { 200 } else { 404 }, "{json}");
    (format!("{message:?} {json}"), exists)
}

/// Lists and tasks that are read over and over, from a service with a cache and from one without.
pub struct Compared {
    /// The service with a cache, and the one without.
    pub cached: Server,
    pub plain: Server,
    pub client: Client,
    pub plain_client: Client,
}

impl Compared {
    pub async fn on(database: Database) -> Self {
        let cached = Server::start_on(database, options()).await;
        let plain = cached.beside_with_cache(NO_CACHE).await;
        Self {
            client: Client::new(&cached).await,
            plain_client: Client::new(&plain).await,
            cached,
            plain,
        }
    }

    pub async fn new() -> Self {
        Self::on(Database::new().await).await
    }

    /// Reads every list and task over every transport. The answers must be those of the service without a cache. Returns
    /// the number of tasks that exist.
    pub async fn assert_same(&self, when: &str) -> u64 {
        let mut found = 0;
        for id in IDS {
            let (expected, exists) = get(&self.plain, &self.plain_client, id).await;
            let (answer, _) = get(&self.cached, &self.client, id).await;
            assert_eq!(answer, expected, "{when}: {id}");
            found += u64::from(exists);
        }
        for (request, query) in lists() {
            let (before, began) = grpc(&self.plain_client, &request).await;
            let (answer, as_of) = grpc(&self.client, &request).await;
            let (after, ended) = grpc(&self.plain_client, &request).await;
            assert_eq!(before, after, "the test itself changes nothing meanwhile");
            assert_eq!(answer, before, "{when}: gRPC {query:?}");
            assert!(began <= as_of && as_of <= ended, "{when}: gRPC {query:?}");
            let (before, began) = json(&self.plain, query).await;
            let (answer, as_of) = json(&self.cached, query).await;
            let (_, ended) = json(&self.plain, query).await;
            assert_eq!(answer, before, "{when}: JSON {query:?}");
            assert!(began <= as_of && as_of <= ended, "{when}: JSON {query:?}");
        }
        found
    }

    /// The same, until all answers come from the cache: a tenant that changed often is checked more seldom for a while.
    pub async fn assert_cached(&self, when: &str) {
        let lists = lists().len() as u64;
        for _ in 0..20 {
            let before = self.figures();
            let tasks = self.assert_same(when).await;
            // Each over two transports. That a task does not exist is not kept.
            if self.figures().hits - before.hits == 2 * (lists + tasks) {
                return;
            }
        }
        panic!("{when}: {:?}", self.figures());
    }

    pub fn figures(&self) -> CacheFigures {
        self.cached.app.list_cache()
    }
}
