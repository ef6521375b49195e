//! Events of targets and of results name the customers.

use outbound_tasks::pb::{
    ImportTargetOptions, ImportTaskTargetsRequest, ListTaskEventsRequest, RemoveTaskTargetsRequest,
    TargetState, TaskEvent, TaskEventKind, import_task_targets_request,
};

use crate::support::{
    client::{Client, new_task, part, report, result},
    server::Server,
};

/// The kind and the customers of each event behind the first one, which is the creation.
fn named(events: &[TaskEvent]) -> Vec<(TaskEventKind, Vec<&str>)> {
    let events = events.iter().skip(1);
    events
        .map(|e| {
            let customers = e.customer_ids.iter().map(String::as_str);
            (e.kind(), customers.collect())
        })
        .collect()
}

async fn remove(client: &Client, task_id: &str, customer_ids: &[&str]) {
    let removal = RemoveTaskTargetsRequest {
        task_id: task_id.into(),
        customer_ids: customer_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    client.remove_task_targets(removal).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_name_the_customers_that_changed() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["z", "b", "c"])).await;
    // What the task has already is not added, in whichever message it comes.
    let parts = vec![
        part("a", &["y", "b", "x"]),
        part("a", &["w", "y", "z", "v"]),
    ];
    client.add_task_targets(parts).await.unwrap();
    let results = [
        result("x", TargetState::Busy, 2, 5),
        result("nobody", TargetState::Busy, 1, 5),
        result("b", TargetState::Answered, 1, 5),
        result("x", TargetState::Answered, 3, 6),
    ];
    report(&client, "a", &results).await.unwrap();
    // Older than what is known, so it changes nothing; beside it one that does.
    let late = [
        result("x", TargetState::Failed, 1, 1),
        result("c", TargetState::NoAnswer, 1, 5),
    ];
    report(&client, "a", &late).await.unwrap();
    remove(&client, "a", &["nobody", "z", "w", "b", "z"]).await;
    // Neither changes anything, so there is no event.
    report(&client, "a", &late[..1]).await.unwrap();
    remove(&client, "a", &["z"]).await;
    client
        .acted(outbound_tasks::pb::TaskAction::Start, "a")
        .await;
    use TaskEventKind as Kind;
    let events = client.events("a").await;
    assert_eq!(events[0].customer_ids, [""; 0]);
    assert_eq!(
        named(&events),
        [
            (Kind::TargetsAdded, vec!["y", "x", "w", "v"]),
            (Kind::ResultsReported, vec!["x", "b"]),
            (Kind::ResultsReported, vec!["c"]),
            (Kind::TargetsRemoved, vec!["z", "w", "b"]),
            (Kind::Started, vec![]),
        ]
    );
    // A service that does not know the column stores no customers.
    let older = "INSERT INTO task_events (tenant_id, task_id, key_id, kind, reason, changes)
        VALUES ('demo', 'a', '', 'results_reported', '', '[]')";
    server.database.execute(older).await;
    let events = client.events("a").await;
    assert!(events.last().unwrap().customer_ids.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_name_the_first_hundred() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["first"])).await;
    // Descending, so that no order of an index is that of the request.
    let ids: Vec<String> = (0..250).rev().map(|n| format!("c{n:03}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let parts = ids.chunks(60).map(|ids| part("a", ids)).collect();
    client.add_task_targets(parts).await.unwrap();
    let results: Vec<_> = ids
        .iter()
        .map(|id| result(id, TargetState::Busy, 1, 5))
        .collect();
    report(&client, "a", &results).await.unwrap();
    remove(&client, "a", &ids).await;
    // The lead list of an import, whose first two customers the task has.
    let options = ImportTargetOptions {
        format: outbound_tasks::pb::ImportFormat::Csv as i32,
        task_id: "a".into(),
        header: Some(false),
        ..Default::default()
    };
    let leads = format!("first\n{}\n{}\n", ids[0], ids.join("\n"));
    client
        .add_task_targets(vec![part("a", &ids[..1])])
        .await
        .unwrap();
    let options = import_task_targets_request::Part::Options(options);
    let chunk = import_task_targets_request::Part::Chunk(leads.into_bytes());
    let messages = [options, chunk].map(|part| ImportTaskTargetsRequest { part: Some(part) });
    client
        .import_targets_stream(tokio_stream::iter(messages))
        .await
        .unwrap();
    use TaskEventKind as Kind;
    assert_eq!(
        named(&client.events("a").await),
        [
            (Kind::TargetsAdded, ids[..100].to_vec()),
            (Kind::ResultsReported, ids[..100].to_vec()),
            (Kind::TargetsRemoved, ids[..100].to_vec()),
            (Kind::TargetsAdded, ids[..1].to_vec()),
            (Kind::TargetsAdded, ids[1..101].to_vec()),
        ]
    );
}

/// Events of the maximum size come in pages that are shorter than asked for, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_events_ends_early() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let large = "INSERT INTO task_events (tenant_id, task_id, key_id, kind, reason, changes, customer_ids)
        SELECT 'demo', 'a', '', 'results_reported', repeat('😀', 1024), '[]',
            (SELECT array_agg(repeat('😀', 120) || lpad((n * 100 + c)::text, 8, '0') ORDER BY c) FROM generate_series(1, 100) c)
        FROM generate_series(1, 150) n";
    server.database.execute(large).await;
    for limit in [1000, 100, 30] {
        let mut request = ListTaskEventsRequest {
            task_id: "a".into(),
            limit,
            ..Default::default()
        };
        let (mut ids, mut pages) = (Vec::new(), 0);
        loop {
            let page = client.list_task_events(request.clone()).await.unwrap();
            let page = page.into_inner();
            assert!(!page.events.is_empty() && page.events.len() <= limit as usize);
            assert!(prost::Message::encoded_len(&page) < 3 << 20);
            ids.extend(page.events.iter().map(|e| e.event_id));
            pages += 1;
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert!(
            ids.is_sorted() && ids.len() == 151,
            "{limit}: {}",
            ids.len()
        );
        // 39 of these events fit into 2 MiB, so 30 of them do.
        let wanted = if limit == 30 { 6 } else { 4 };
        assert_eq!(pages, wanted, "{limit}");
    }
}
