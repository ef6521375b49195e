//! The watch: initial tasks, creations, changes and removals.

use outbound_tasks::pb::{
    DateRange, OutboundTask, TargetState, TaskAction, TaskChangeKind, TaskDateField, TaskFilter,
    TaskStatus, UpdateOutboundTaskRequest, WatchOutboundTasksRequest,
};
use prost_types::FieldMask;

use crate::support::{
    client::{Client, START, at, fields, new_task, part, remove, report, result},
    server::Server,
    watch::{Picture, Watch},
};

fn kinds(picture: &Picture, kind: TaskChangeKind) -> usize {
    picture.seen.get(&(kind as i32)).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_sends_initial_tasks_and_changes() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create_all(
            (0..50)
                .map(|n| new_task(&format!("old{n}"), &["c1"]))
                .collect(),
        )
        .await;
    let mut all = Picture::default();
    let mut watch = all.begin_and_read(&server).await;
    assert_eq!(
        (all.tasks.len(), kinds(&all, TaskChangeKind::Initial)),
        (50, 50)
    );
    assert_eq!(all.tasks["old7"], client.get("old7").await.unwrap());
    let running = TaskFilter {
        status: vec![TaskStatus::Running as i32],
        ..Default::default()
    };
    let mut running = Picture::of(running);
    let mut running_watch = running.begin_and_read(&server).await;
    assert!(running.tasks.is_empty());

    client.create(new_task("new", &["c1", "c2"])).await;
    all.follow(&mut watch, |p| p.tasks.contains_key("new"))
        .await;
    client.acted(TaskAction::Start, "new").await;
    running
        .follow(&mut running_watch, |p| p.tasks.len() == 1)
        .await;
    report(
        &client,
        "new",
        &[result("c1", TargetState::Answered, 1, START)],
    )
    .await
    .unwrap();
    let halfway = |p: &Picture| p.tasks.get("new").is_some_and(|t| t.progress == 50);
    running.follow(&mut running_watch, halfway).await;
    all.follow(&mut watch, halfway).await;
    assert_eq!(running.tasks["new"], client.get("new").await.unwrap());
    assert_eq!(running.tasks["new"], all.tasks["new"]);
    client.acted(TaskAction::Pause, "new").await;
    running
        .follow(&mut running_watch, |p| p.tasks.is_empty())
        .await;
    client.delete("new").await;
    all.follow(&mut watch, |p| !p.tasks.contains_key("new"))
        .await;
    assert_eq!(kinds(&running, TaskChangeKind::Created), 1);
    assert_eq!(kinds(&running, TaskChangeKind::Removed), 1);
    assert_eq!(kinds(&all, TaskChangeKind::Removed), 1);
    assert_eq!(all.tasks.len(), 50);
}

/// Each part of a filter: a task that begins to match it, and one that no longer does.
#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_filter_holds() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("it", &["c1"])).await;
    client.create(new_task("other", &["c1"])).await;
    let range = |start, end, date_field: TaskDateField| TaskFilter {
        date_range: Some(DateRange { start, end }),
        date_field: date_field as i32,
        ..Default::default()
    };
    let later = START + 1_000_000;
    let filters = [
        TaskFilter {
            name: "GRÜSSE 你好".into(),
            ..Default::default()
        },
        range(at(later), None, TaskDateField::StartTime),
        range(at(later), at(later + 1), TaskDateField::StartTime),
        range(at(later + 3600), None, TaskDateField::EndTime),
        range(at(later), at(later + 10), TaskDateField::Window),
        TaskFilter {
            task_ids: vec!["it".into(), "another".into()],
            ..range(at(later), None, TaskDateField::Window)
        },
        TaskFilter {
            customer_id: "c1".into(),
            name: "你".into(),
            ..Default::default()
        },
    ];
    let update = async |name: &str, start: i64| {
        let update = UpdateOutboundTaskRequest {
            task: Some(OutboundTask {
                task_id: "it".into(),
                name: name.into(),
                start_time: at(start),
                end_time: at(start + 3600),
                ..Default::default()
            }),
            update_mask: Some(FieldMask {
                paths: ["name", "start_time", "end_time"]
                    .map(str::to_owned)
                    .to_vec(),
            }),
            ..Default::default()
        };
        client.update_outbound_task(update).await.unwrap();
    };
    let mut all = Vec::new();
    for filter in filters {
        let mut picture = Picture::of(filter);
        let watch = picture.begin_and_read(&server).await;
        assert!(picture.tasks.is_empty(), "{picture:?}");
        all.push((picture, watch));
    }
    update("Viele Grüße 你好!", later).await;
    for (picture, watch) in &mut all {
        picture.follow(watch, |p| p.tasks.len() == 1).await;
        assert_eq!(kinds(picture, TaskChangeKind::Created), 1, "{picture:?}");
    }
    update("viele grüsse 你好", later).await;
    for (picture, watch) in &mut all {
        picture
            .follow(watch, |p| kinds(p, TaskChangeKind::Changed) == 1)
            .await;
    }
    update("it", START).await;
    for (picture, watch) in &mut all {
        picture.follow(watch, |p| p.tasks.is_empty()).await;
        assert_eq!(kinds(picture, TaskChangeKind::Removed), 1, "{picture:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_tasks_are_followed() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for id in ["a", "b"] {
        client.create(new_task(id, &["c1"])).await;
    }
    let of_c2 = TaskFilter {
        customer_id: "c2".into(),
        ..Default::default()
    };
    let mut picture = Picture::of(of_c2);
    let mut watch = picture.begin_and_read(&server).await;
    // Tasks with other customers are not sent.
    client.acted(TaskAction::Start, "b").await;
    client.create(new_task("c", &["c2"])).await;
    picture
        .follow(&mut watch, |p| p.tasks.contains_key("c"))
        .await;
    assert_eq!(picture.seen.len(), 1);
    client.acted(TaskAction::Start, "c").await;
    picture
        .follow(&mut watch, |p| kinds(p, TaskChangeKind::Changed) == 1)
        .await;
    remove(&client, "c", &["c2".into()]).await.unwrap();
    picture.follow(&mut watch, |p| p.tasks.is_empty()).await;
    // The watch cannot know whether the task had the customer before.
    client
        .add_task_targets(vec![part("a", &["c2"])])
        .await
        .unwrap();
    let message = watch.next().await.unwrap().unwrap();
    let [change] = &message.changes[..] else {
        panic!("{message:?}")
    };
    assert_eq!(
        (change.kind(), &*change.task_id),
        (TaskChangeKind::Changed, "a")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_their_own_changes_alone() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let (mine, theirs) = (
        Client::new(&server).await,
        Client::with_key(&server, &other).await,
    );
    theirs.create(new_task("a", &["c1"])).await;
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&server).await;
    assert!(picture.tasks.is_empty());
    theirs.acted(TaskAction::Start, "a").await;
    theirs.create(new_task("b", &[])).await;
    mine.create(new_task("a", &[])).await;
    picture.follow(&mut watch, |p| p.tasks.len() == 1).await;
    assert_eq!(picture.tasks["a"].status(), TaskStatus::Pending);
    assert_eq!(picture.seen.values().sum::<usize>(), 1);
    // The token of one watch does not open the other.
    let refused = Watch::begin(server.address, &other, picture.request()).await;
    assert_eq!(fields(&refused.err().unwrap()), ["resume_token"]);
    // Nor a watch with another filter.
    let request = WatchOutboundTasksRequest {
        filter: Some(TaskFilter {
            name: "a".into(),
            ..Default::default()
        }),
        ..picture.request()
    };
    let refused = Watch::begin(server.address, &server.key, request).await;
    assert_eq!(fields(&refused.err().unwrap()), ["resume_token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_the_requested_fields() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1", "c2"])).await;
    let request = WatchOutboundTasksRequest {
        skip_initial: true,
        target_limit: Some(1),
        read_mask: Some(FieldMask {
            paths: vec!["status".into(), "target".into()],
        }),
        ..Default::default()
    };
    let mut watch = Watch::begin(server.address, &server.key, request)
        .await
        .unwrap();
    let first = watch.next().await.unwrap().unwrap();
    assert!(first.changes.is_empty() && !first.resume_token.is_empty() && first.as_of.is_some());
    client.acted(TaskAction::Start, "a").await;
    let message = watch.next().await.unwrap().unwrap();
    let task = message.changes[0].task.as_ref().unwrap();
    let shown = OutboundTask {
        status: TaskStatus::Running as i32,
        target: vec!["c1".into()],
        ..Default::default()
    };
    assert_eq!(*task, shown);
    assert_eq!(message.changes[0].task_id, "a");
    // A heartbeat, although nothing changes.
    let beat = watch.next().await.unwrap().unwrap();
    assert!(beat.changes.is_empty() && beat.as_of != message.as_of);
}
