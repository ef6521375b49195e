//! The real campaign data over every transport, in pages of every size.

use outbound_tasks::pb::{
    ListOutboundTasksRequest, ListOutboundTasksResponse, OutboundTask, TaskStatus,
    outbound_task_service_client::OutboundTaskServiceClient,
};
use prost_types::Timestamp;
use tonic::transport::Channel;

use crate::support::{
    http::Http,
    server::Server,
    tasks::{Json, bank_tasks, documented},
};

const RPC: &str = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";

/// The record of the file as a list shows it: at most 100 targets, and their number.
fn as_listed(record: &Json) -> Json {
    let mut task = record.clone();
    let target = task["target"].as_array_mut().unwrap();
    let count = target.len();
    target.truncate(100);
    task["target_count"] = count.into();
    task
}

fn to_json(task: OutboundTask) -> Json {
    let time = |t: Option<Timestamp>| {
        let t = t.unwrap();
        assert_eq!(t.nanos, 0);
        chrono::DateTime::from_timestamp(t.seconds, 0)
            .unwrap()
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    };
    let status = task
        .status()
        .as_str_name()
        .trim_start_matches("TASK_STATUS_")
        .to_lowercase();
    serde_json::json!({
        "task_id": task.task_id, "name": task.name, "target": task.target, "start_time": time(task.start_time),
        "end_time": time(task.end_time), "status": status, "progress": task.progress,
        "created_at": time(task.created_at), "updated_at": time(task.updated_at), "target_count": task.target_count,
    })
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Grpc,
    GrpcWeb,
    Http,
}

type Clients = (OutboundTaskServiceClient<Channel>, Http);

/// One page, by number or by token: total, tasks as JSON, next token.
async fn page(
    server: &Server,
    (grpc, http): &mut Clients,
    transport: Transport,
    limit: i32,
    page: i32,
    token: &str,
) -> (i64, Vec<Json>, String) {
    let message = ListOutboundTasksRequest {
        limit,
        page,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let from_message = |m: ListOutboundTasksResponse| {
        (
            m.total.into(),
            m.tasks.into_iter().map(to_json).collect(),
            m.next_page_token,
        )
    };
    match transport {
        Transport::Grpc => from_message(
            grpc.list_outbound_tasks(server.request(message))
                .await
                .unwrap()
                .into_inner(),
        ),
        Transport::GrpcWeb => {
            let (answer, trailers) = http.grpc_web(RPC, &message).await;
            assert_eq!(trailers["grpc-status"], "0");
            from_message(answer.unwrap())
        }
        Transport::Http => {
            let from = if token.is_empty() {
                format!("page={page}")
            } else {
                format!("page_token={token}")
            };
            let answer = http.list(&format!("limit={limit}&{from}")).await;
            assert_eq!(answer.status, 200);
            let json = answer.json();
            let next = json["next_page_token"].as_str().unwrap().to_owned();
            (
                json["total"].as_i64().unwrap(),
                json["tasks"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(documented)
                    .collect(),
                next,
            )
        }
    }
}

/// Reads the whole list in pages of every size, by token and by number. The 3,898 pages of one task are read once by
/// token and once by number: all of them over every transport take two minutes.
async fn walk(server: &Server, transport: Transport, all: &[Json]) {
    let mut clients = (server.grpc().await, server.http());
    for limit in [1, 7, 100, 1000] {
        let ways: &[bool] = match (limit, transport) {
            (1, Transport::Grpc) => &[true],
            (1, Transport::GrpcWeb) => &[],
            (1, Transport::Http) => &[false],
            _ => &[true, false],
        };
        for &by_token in ways {
            let (mut walked, mut token) = (0, String::new());
            for number in 1.. {
                let (number, start) = if by_token && number > 1 {
                    (0, &*token)
                } else {
                    (number, "")
                };
                let (total, tasks, next) =
                    page(server, &mut clients, transport, limit, number, start).await;
                assert_eq!(total, 3898);
                let expected = &all[walked..walked + tasks.len()];
                assert_eq!(tasks, expected, "{transport:?} {limit} {walked}");
                walked += tasks.len();
                token = next;
                if token.is_empty() {
                    break;
                }
                assert_eq!(tasks.len(), limit as usize);
            }
            assert_eq!(walked, 3898, "{transport:?} {limit}");
        }
    }
    let past = page(server, &mut clients, transport, 1000, 2_000_000, "").await;
    assert_eq!(
        past,
        (3898, Vec::new(), String::new()),
        "a page past the end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_over_every_transport_gives_the_same_tasks() {
    let server = Server::start().await;
    let records = bank_tasks();
    assert_eq!(records.len(), 3898);
    server.import(&records).await;
    let mut all: Vec<Json> = records.iter().map(as_listed).collect();
    all.sort_by(|a, b| {
        let key = |t: &Json| {
            (
                t["start_time"].as_str().unwrap().to_owned(),
                t["task_id"].as_str().unwrap().to_owned(),
            )
        };
        key(a).cmp(&key(b))
    });
    let transports = [Transport::Grpc, Transport::GrpcWeb, Transport::Http];
    futures_util::future::join_all(transports.map(|t| walk(&server, t, &all))).await;

    // The largest task shows 100 of its 232 targets.
    let largest = all
        .iter()
        .max_by_key(|t| t["target_count"].as_i64())
        .unwrap();
    assert_eq!(
        (
            largest["target_count"].as_i64(),
            largest["target"].as_array().unwrap().len()
        ),
        (Some(232), 100)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_totals_of_the_real_campaign() {
    let server = Server::start().await;
    server.import(&bank_tasks()).await;
    let mut grpc = server.grpc().await;
    let active = [TaskStatus::Pending, TaskStatus::Running, TaskStatus::Paused].map(|s| s as i32);
    for (query, status, total) in [
        ("status=running", vec![TaskStatus::Running as i32], 5),
        ("status=active", active.to_vec(), 647),
        ("status=completed", vec![TaskStatus::Completed as i32], 3251),
        ("status=failed", vec![TaskStatus::Failed as i32], 0),
    ] {
        let json = server.http().list(query).await.json();
        assert_eq!(json["total"], total, "{query}");
        let message = ListOutboundTasksRequest {
            status,
            ..Default::default()
        };
        let page = grpc
            .list_outbound_tasks(server.request(message.clone()))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(page.total, total);
        let (web, _) = server
            .http()
            .grpc_web::<_, ListOutboundTasksResponse>(RPC, &message)
            .await;
        assert_eq!(web.unwrap().tasks, page.tasks);
    }
}
