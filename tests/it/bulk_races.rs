//! Actions on all tasks of a filter beside other writers.

use outbound_tasks::pb::{
    DateRange, OutboundTask, TaskAction, TaskFilter, TaskStatus, UpdateOutboundTaskRequest,
};
use tonic::Code;

use crate::support::{
    PATIENCE,
    bulk::{self, Bulk, dry, of_status},
    client::{Act, Client, START, at, new_task},
    eventually,
    server::Server,
};

/// A task that left the filter after the filter was read and before the row was locked is not changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_leaves_the_filter_meanwhile_is_not_changed() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for (change, filter) in [
        (
            "status = 2",
            of_status(&[TaskStatus::Pending], TaskAction::Stop).filter,
        ),
        (
            "start_time = start_time - interval '1 s'",
            Some(TaskFilter {
                date_range: Some(DateRange {
                    start: at(START),
                    end: None,
                }),
                ..Default::default()
            }),
        ),
    ] {
        client
            .create_all(vec![new_task("a", &[]), new_task("b", &[])])
            .await;
        let writer = server.database.client().await;
        let other = format!("BEGIN; UPDATE tasks SET {change} WHERE task_id = 'b'");
        writer.batch_execute(&other).await.unwrap();
        let bulk = Bulk {
            filter,
            action: TaskAction::Stop as i32,
            expected_count: Some(1),
            ..Default::default()
        };
        let also = client.clone();
        let refused = Bulk {
            expected_count: Some(2),
            ..bulk.clone()
        };
        let refused = tokio::spawn(async move { bulk::change(&also, refused).await });
        let also = client.clone();
        let done = tokio::spawn(async move { bulk::change(&also, bulk).await });
        let asking = server.database.client().await;
        let waits = async || server.database.count_waiting(&asking).await == 2;
        eventually("both wait for the task", PATIENCE, waits).await;
        writer.batch_execute("COMMIT").await.unwrap();
        let refused = refused.await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let done = done.await.unwrap();
        // The call that expected both tasks may have run second.
        if let Ok(done) = &done {
            assert_eq!(
                (&*done.task_ids, done.matched_count),
                (&["a".to_owned()][..], 1)
            );
        }
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(client.get("b").await.unwrap().status_reason, "");
        assert_ne!(client.get("b").await.unwrap().status(), TaskStatus::Stopped);
        client.delete("a").await;
        client.delete("b").await;
    }
}

/// Bulk calls and single writes lock rows in the same order, so there is no deadlock.
#[tokio::test(flavor = "multi_thread")]
async fn bulk_calls_and_single_writes_at_once_do_not_deadlock() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut tasks: Vec<_> = (0..200)
        .map(|n| new_task(&format!("t{n:03}"), &["c1"]))
        .collect();
    for (index, task) in tasks.iter_mut().enumerate() {
        // The order by start is the reverse of the order by id.
        task.start_time = at(START - index as i64);
    }
    client.create_all(tasks).await;
    let start = Bulk {
        expected_count: Some(200),
        ..of_status(&[], TaskAction::Start)
    };
    bulk::change(&client, start).await.unwrap();
    let act_on_all = async |action| {
        let mut through = 0;
        for _ in 0..15 {
            let bulk = of_status(&[], action);
            let reported = bulk::change(&client, dry(&bulk)).await.unwrap();
            let bulk = Bulk {
                expected_count: Some(reported.changed_count),
                ..bulk
            };
            match bulk::change(&client, bulk).await {
                Ok(_) => through += 1,
                Err(status) => assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}"),
            }
        }
        through
    };
    let single = async |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        for n in 0..60 {
            let task_id = format!("t{:03}", random.u32(0..200));
            let action = if random.bool() {
                TaskAction::Pause
            } else {
                TaskAction::Resume
            };
            let act = Act {
                task_id: &task_id,
                ..Act::default()
            };
            if let Err(status) = client.act(action, act).await {
                assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
            }
            let task = OutboundTask {
                task_id,
                name: format!("{seed} {n}"),
                ..Default::default()
            };
            let update = UpdateOutboundTaskRequest {
                task: Some(task),
                ..Default::default()
            };
            client.update_outbound_task(update).await.unwrap();
        }
    };
    let bulks = async {
        tokio::join!(
            act_on_all(TaskAction::Pause),
            act_on_all(TaskAction::Resume)
        )
    };
    let ((paused, resumed), ..) = tokio::join!(bulks, single(1), single(2), single(3));
    assert!(paused + resumed > 0);
    let (total, counts) = client.totals().await;
    assert_eq!((total, counts[1] + counts[2]), (200, 200));
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}

/// An import that replaces a task deletes it and inserts it again. No reader ever sees that it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_replaced_meanwhile_is_found() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let writer = server.database.client().await;
    let columns = "tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, target";
    let replace = format!(
        "BEGIN; CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT {columns} FROM tasks; DELETE FROM tasks; \
        INSERT INTO tasks ({columns}) SELECT * FROM kept"
    );
    writer.batch_execute(&replace).await.unwrap();
    let also = client.clone();
    let started = tokio::spawn(async move { also.acted(TaskAction::Start, "a").await });
    let asking = server.database.client().await;
    let waits = async || server.database.count_waiting(&asking).await == 1;
    eventually("the call waits for the task", PATIENCE, waits).await;
    writer.batch_execute("COMMIT").await.unwrap();
    assert_eq!(started.await.unwrap().status(), TaskStatus::Running);
}
