//! The filter by labels in everything that takes a filter, and the counts of labels.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fastrand::Rng;
use outbound_tasks::pb::{
    ExportOutboundTasksRequest, ListOutboundTasksRequest, ListOutboundTasksResponse,
    NewOutboundTask, OutboundTask, TaskAction, TaskFilter, TaskOrderBy, UpdateOutboundTaskRequest,
};
use prost_types::FieldMask;

use crate::support::{
    PATIENCE,
    bulk::{Bulk, change_all},
    client::{Act, Client, START, at, new_task},
    eventually,
    server::Server,
    watch::Picture,
};

fn wanted(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

fn filter(labels: &[&str]) -> TaskFilter {
    TaskFilter {
        label: wanted(labels),
        ..Default::default()
    }
}

fn labelled(id: &str, labels: &[(&str, &str)]) -> NewOutboundTask {
    let labels = labels.iter();
    NewOutboundTask {
        labels: labels
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..new_task(id, &["c1"])
    }
}

/// Sets one label of a task, or removes it.
async fn set(client: &Client, id: &str, key: &str, value: Option<&str>) -> OutboundTask {
    let value = value.map(|value| (key.to_owned(), value.to_owned()));
    let message = UpdateOutboundTaskRequest {
        task: Some(OutboundTask {
            task_id: id.to_owned(),
            labels: value.into_iter().collect::<BTreeMap<_, _>>(),
            ..Default::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec![format!("labels.{key}")],
        }),
        ..Default::default()
    };
    let updated = client.update_outbound_task(message).await.unwrap();
    updated.into_inner().task.unwrap()
}

async fn list(client: &Client, request: ListOutboundTasksRequest) -> ListOutboundTasksResponse {
    client
        .list_outbound_tasks(request)
        .await
        .unwrap()
        .into_inner()
}

fn ids(tasks: &[OutboundTask]) -> Vec<&str> {
    tasks.iter().map(|task| task.task_id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_sees_tasks_enter_and_leave() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(labelled("a", &[("region", "east")])).await;
    client.create(labelled("b", &[("region", "west")])).await;
    client.create(new_task("c", &[])).await;
    let mut east = Picture::of(filter(&["region=east"]));
    let mut east_watch = east.begin_and_read(&server).await;
    let mut any = Picture::of(filter(&["region"]));
    let mut any_watch = any.begin_and_read(&server).await;
    let keys = |picture: &Picture| picture.tasks.keys().cloned().collect::<String>();
    assert_eq!((keys(&east), keys(&any)), ("a".to_owned(), "ab".to_owned()));
    set(&client, "b", "region", Some("east")).await;
    set(&client, "c", "region", Some("")).await;
    east.follow(&mut east_watch, |p| keys(p) == "ab").await;
    any.follow(&mut any_watch, |p| keys(p) == "abc").await;
    let b = set(&client, "b", "tier", Some("gold")).await;
    east.follow(&mut east_watch, |p| p.tasks["b"] == b).await;
    // What happens meanwhile, a watch that resumes is sent.
    drop(east_watch);
    set(&client, "a", "region", Some("west")).await;
    client.delete("b").await;
    set(&client, "c", "region", Some("east")).await;
    let mut east_watch = east.begin_and_read(&server).await;
    east.follow(&mut east_watch, |p| keys(p) == "c").await;
    set(&client, "c", "region", None).await;
    east.follow(&mut east_watch, |p| p.tasks.is_empty()).await;
    any.follow(&mut any_watch, |p| keys(p) == "a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_with_a_filter_takes_labels() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for n in 0..30 {
        let (region, id) = (["东", "west", ""][n % 3], format!("t{n:02}"));
        let mut task = labelled(&id, &[("region", region), ("even", ["yes", "no"][n % 2])]);
        task.start_time = at(START + n as i64);
        client.create(task).await;
    }
    let by = |labels: &[&str]| ListOutboundTasksRequest {
        label: wanted(labels),
        limit: 4,
        status_counts: true,
        ..Default::default()
    };
    let page = list(&client, by(&["region=东"])).await;
    assert_eq!(
        (page.total, ids(&page.tasks)),
        (10, vec!["t00", "t03", "t06", "t09"])
    );
    assert_eq!(
        (page.status_counts[0].count, page.status_counts[1].count),
        (10, 0)
    );
    let page = list(&client, by(&["region=东", "even=yes"])).await;
    assert_eq!(
        (page.total, ids(&page.tasks)),
        (5, vec!["t00", "t06", "t12", "t18"])
    );
    let by_id = ListOutboundTasksRequest {
        order_by: TaskOrderBy::TaskId as i32,
        order: 2,
        ..by(&["region=", "region"])
    };
    let page = list(&client, by_id).await;
    assert_eq!(
        (page.total, ids(&page.tasks)),
        (10, vec!["t29", "t26", "t23", "t20"])
    );
    for (labels, total) in [
        (&["none"][..], 0),
        (&["region=a"], 0),
        (&["region=东", "region=west"], 0),
    ] {
        assert_eq!(list(&client, by(labels)).await.total, total);
    }
    let http = server.http();
    for (query, total) in [
        ("label=region=%E4%B8%9C", 10),
        ("label=region=%E4%B8%9C&label=even%3Dyes", 5),
        ("label=even&label=", 30),
        ("label=region=", 10),
        (
            "label=region=west&status=pending&order_by=updated_at&page=2",
            10,
        ),
    ] {
        assert_eq!(http.list(query).await.json()["total"], total, "{query}");
    }
    // Every page of one label, by number and far down.
    let page = ListOutboundTasksRequest {
        page: 3,
        ..by(&["region=东"])
    };
    assert_eq!(ids(&list(&client, page).await.tasks), ["t24", "t27"]);
    let request = ExportOutboundTasksRequest {
        filter: Some(filter(&["region=west"])),
        ..Default::default()
    };
    let mut grpc = server.grpc().await;
    let export = grpc.export_outbound_tasks(server.request(request)).await;
    let mut export = export.unwrap().into_inner();
    let mut exported = Vec::new();
    while let Some(batch) = export.message().await.unwrap() {
        exported.extend(batch.tasks);
    }
    assert_eq!(exported.len(), 10);
    assert!(exported.iter().all(|task| task.labels["region"] == "west"));
    let bulk = Bulk {
        filter: Some(filter(&["region=west", "even=no"])),
        action: TaskAction::Stop as i32,
        ..Default::default()
    };
    change_all(&client, bulk).await;
    let page = list(&client, by(&["region=west"])).await;
    assert_eq!(
        (page.status_counts[0].count, page.status_counts[4].count),
        (5, 5)
    );
    let stopped = ListOutboundTasksRequest {
        status: vec![5],
        ..by(&["even=no"])
    };
    assert_eq!(list(&client, stopped).await.total, 5);
    let verify = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(verify, "demo\t0 counts differ\n");
}

/// Writers that change labels, statuses, starts and tasks all the time, and totals that agree with what is exported.
#[tokio::test(flavor = "multi_thread")]
async fn totals_of_labels_stay_exact_beside_writers() {
    let server = Server::start().await;
    let client = Arc::new(Client::new(&server).await);
    for n in 0..40 {
        client
            .create(labelled(&format!("t{n}"), &[("k", ["a", "b"][n % 2])]))
            .await;
    }
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..4 {
        let client = Arc::clone(&client);
        writers.spawn(async move {
            let mut random = Rng::with_seed(seed);
            for n in 0..60 {
                let id = format!("t{}", random.u32(0..10) * 4 + seed as u32);
                match random.u32(0..4) {
                    0 => drop(set(&client, &id, "k", None).await),
                    1 => drop(set(&client, &id, "k", Some(["a", "b"][n % 2])).await),
                    2 => drop(
                        client
                            .act(
                                TaskAction::Start,
                                Act {
                                    task_id: &id,
                                    ..Act::default()
                                },
                            )
                            .await,
                    ),
                    _ => {
                        client.delete(&id).await;
                        client
                            .create(labelled(&id, &[("k", "a"), ("new", "1")]))
                            .await;
                    }
                }
            }
        });
    }
    while !writers.is_empty() {
        for label in ["k", "k=a", "new=1"] {
            let request = ListOutboundTasksRequest {
                label: wanted(&[label]),
                limit: 1000,
                status_counts: true,
                ..Default::default()
            };
            let page = list(&client, request).await;
            let counted: i32 = page.status_counts.iter().map(|status| status.count).sum();
            assert_eq!(
                (page.total as usize, counted),
                (page.tasks.len(), page.total),
                "{label}"
            );
        }
        if let Ok(Some(done)) =
            tokio::time::timeout(Duration::from_millis(5), writers.join_next()).await
        {
            done.unwrap();
        }
    }
    for _ in 0..2 {
        let verify = server.database.succeed(&["counts", "verify"], b"").await;
        assert_eq!(verify, "demo\t0 counts differ\n");
        server.database.succeed(&["counts", "rebuild"], b"").await;
    }
}

/// Labels that come and go, such as one per batch, leave no rows behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_label_of_no_task_keeps_no_count() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let sql = server.database.client().await;
    let total = async |label: &str| {
        let request = ListOutboundTasksRequest {
            label: wanted(&[label]),
            ..Default::default()
        };
        list(&client, request).await.total
    };
    // The counts of a tenant that is being listed are compacted several times a second.
    let counted = async |labels: i64| {
        let count = "SELECT count(*) FROM task_label_counts";
        let is = async || {
            total("batch").await;
            sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == labels
        };
        eventually("the counts are compacted", PATIENCE, is).await;
    };
    for n in 0..20 {
        let batch = n.to_string();
        client
            .create(labelled(&format!("t{n}"), &[("batch", &batch)]))
            .await;
    }
    counted(21).await;
    for n in 1..20 {
        client.delete(&format!("t{n}")).await;
    }
    counted(2).await;
    assert_eq!((total("batch").await, total("batch=7").await), (1, 0));
    client.create(labelled("again", &[("batch", "7")])).await;
    assert_eq!((total("batch").await, total("batch=7").await), (2, 1));
    counted(3).await;
    assert_eq!((total("batch").await, total("batch=7").await), (2, 1));
    let verified = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(verified, "demo\t0 counts differ\n");
}
