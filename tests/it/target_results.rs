//! Results of calls, and removals: of all reported results of a customer the last one counts, in whatever order they
//! arrive.

use fastrand::Rng;
use outbound_tasks::pb::{TargetCounts, TargetResult, TargetState, TaskStatus};

use crate::support::{
    client::{
        Client, assert_not_found, at, fields, new_task, part, remove, report, result, way_to,
    },
    server::Server,
};

use TargetState::{Answered, Busy, Failed, NoAnswer, Pending, Skipped};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_result_counts_by_attempt_then_time_then_state() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    // Each result in this list counts after the one before it.
    let rising = [
        result("c", Skipped, 0, -5),
        result("c", Skipped, 0, 100),
        result("c", Answered, 1, 50),
        result("c", NoAnswer, 1, 50),
        result("c", Answered, 1, 51),
        result("c", Busy, 2, 1),
        result("c", Failed, 2, 1),
        result("c", Skipped, 2, 1),
        result("c", Answered, i32::MAX, 0),
    ];
    for (index, last) in rising.iter().enumerate() {
        let id = format!("t{index}");
        client.create(new_task(&id, &["c"])).await;
        // One after the other, from the last to the first.
        for earlier in rising[..=index].iter().rev() {
            let reported = report(&client, &id, std::slice::from_ref(earlier))
                .await
                .unwrap();
            let applies = i32::from(earlier == last);
            assert_eq!(
                (reported.applied_count, reported.ignored_count),
                (applies, 1 - applies)
            );
        }
        let before = client.get(&id).await.unwrap();
        // All in one call, in any order.
        let mut all = rising[..=index].to_vec();
        Rng::with_seed(index as u64).shuffle(&mut all);
        let reported = report(&client, &id, &all).await.unwrap();
        assert_eq!(
            (reported.applied_count, reported.ignored_count as usize),
            (0, index + 1)
        );
        assert_eq!(
            reported.task.unwrap(),
            before,
            "what is known changes nothing"
        );
        assert_eq!(client.get(&id).await.unwrap(), before);
        let there = client.targets(&id).await.remove(0);
        assert_eq!(
            (there.state, there.attempt, there.time),
            (last.state, last.attempt, last.time)
        );
        client
            .create(new_task(&format!("{id} at once"), &["c"]))
            .await;
        let reported = report(&client, &format!("{id} at once"), &all)
            .await
            .unwrap();
        assert_eq!(
            (reported.applied_count, reported.ignored_count as usize),
            (1, index)
        );
        assert_eq!(client.targets(&format!("{id} at once")).await, [there]);
        assert_eq!(client.events(&id).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_count_in_every_status_and_set_the_progress() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for number in 1..=6 {
        let status = TaskStatus::try_from(number).unwrap();
        let id = format!("t{number}");
        client
            .create(new_task(&id, &["c1", "c2", "c3", "c4", "c5", "c6", "c7"]))
            .await;
        for step in way_to(status) {
            client.acted(*step, &id).await;
        }
        let mut counts = TargetCounts {
            pending: 7,
            ..Default::default()
        };
        for (index, (state, progress)) in [
            (Answered, 14),
            (NoAnswer, 14),
            (Busy, 14),
            (Failed, 28),
            (Skipped, 42),
            (Answered, 57),
        ]
        .into_iter()
        .enumerate()
        {
            let last = result(&format!("c{}", index + 1), state, 1, 5);
            let task = report(&client, &id, &[last]).await.unwrap().task.unwrap();
            counts.pending -= 1;
            *match state {
                Answered => &mut counts.answered,
                NoAnswer => &mut counts.no_answer,
                Busy => &mut counts.busy,
                Failed => &mut counts.failed,
                _ => &mut counts.skipped,
            } += 1;
            assert_eq!((task.status(), task.progress), (status, progress), "{id}");
            assert_eq!(task.target_counts, Some(counts));
            assert_eq!(client.get(&id).await.unwrap(), task);
        }
        // Another number of remaining calls means another progress.
        let task = remove(&client, &id, &["c7".into(), "c2".into(), "c3".into()])
            .await
            .unwrap();
        assert_eq!(task.task.unwrap().progress, 100);
        let all = ["c1", "c4", "c5", "c6"].map(str::to_owned);
        let task = remove(&client, &id, &all).await.unwrap().task.unwrap();
        assert_eq!(
            (task.progress, task.target_count, task.target_counts),
            (0, 0, Some(TargetCounts::default()))
        );
        assert!(task.target.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_results_and_removals_are_named() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let before = client.create(new_task("a", &["c1"])).await;
    let good = || result("c1", Busy, 1, 5);
    let cases = [
        (
            TargetResult {
                customer_id: String::new(),
                ..good()
            },
            "customer_id",
        ),
        (
            TargetResult {
                customer_id: "x".repeat(129),
                ..good()
            },
            "customer_id",
        ),
        (
            TargetResult {
                customer_id: "\0".into(),
                ..good()
            },
            "customer_id",
        ),
        (TargetResult { state: 0, ..good() }, "state"),
        (
            TargetResult {
                state: Pending as i32,
                ..good()
            },
            "state",
        ),
        (TargetResult { state: 7, ..good() }, "state"),
        (
            TargetResult {
                attempt: 0,
                ..good()
            },
            "attempt",
        ),
        (
            TargetResult {
                attempt: -1,
                state: Skipped as i32,
                ..good()
            },
            "attempt",
        ),
        (
            TargetResult {
                time: None,
                ..good()
            },
            "time",
        ),
        (
            TargetResult {
                time: at(253_402_300_800),
                ..good()
            },
            "time",
        ),
    ];
    let mut all = vec![good()];
    let mut named = Vec::new();
    for (index, (bad, field)) in cases.into_iter().enumerate() {
        let refused = report(&client, "a", std::slice::from_ref(&bad))
            .await
            .unwrap_err();
        assert_eq!(fields(&refused), [format!("results[0].{field}")], "{bad:?}");
        all.push(bad);
        named.push(format!("results[{}].{field}", index + 1));
    }
    named.push("task_id".into());
    let mut reported = fields(&report(&client, "\0", &all).await.unwrap_err());
    reported.sort();
    named.sort();
    assert_eq!(reported, named);
    for count in [0, 1001] {
        let refused = report(&client, "a", &vec![good(); count])
            .await
            .unwrap_err();
        assert_eq!(fields(&refused), ["results"]);
        let refused = remove(&client, "a", &vec!["c1".into(); count])
            .await
            .unwrap_err();
        assert_eq!(fields(&refused), ["customer_ids"]);
    }
    let bad = ["", "c1", "\0"].map(str::to_owned);
    let refused = remove(&client, "", &bad).await.unwrap_err();
    assert_eq!(
        fields(&refused),
        ["task_id", "customer_ids[0]", "customer_ids[2]"]
    );
    assert_not_found(&report(&client, "b", &[good()]).await.unwrap_err(), "b");
    assert_not_found(
        &remove(&client, "b", &["c1".into()]).await.unwrap_err(),
        "b",
    );
    // Only unknown customers: nothing changes.
    let strangers = ["x", "y", "x"];
    let reported = report(&client, "a", &strangers.map(|c| result(c, Busy, 1, 5)))
        .await
        .unwrap();
    assert_eq!((reported.applied_count, reported.ignored_count), (0, 0));
    assert_eq!(reported.missing_customer_ids, ["x", "y"]);
    let removed = remove(&client, "a", &strangers.map(str::to_owned))
        .await
        .unwrap();
    assert_eq!(
        (removed.removed_count, removed.missing_customer_ids),
        (0, vec!["x".into(), "y".into()])
    );
    assert_eq!(
        (reported.task.as_ref(), removed.task.as_ref()),
        (Some(&before), Some(&before))
    );
    assert_eq!(client.get("a").await.unwrap(), before);
    assert_eq!(client.events("a").await.len(), 1);
    // An id that is given twice is removed once. This is the maximum that a call takes.
    let removed = remove(&client, "a", &vec!["c1".into(); 1000])
        .await
        .unwrap();
    assert_eq!(
        (removed.removed_count, removed.missing_customer_ids.len()),
        (1, 0)
    );
    let reported = report(&client, "a", &vec![good(); 1000]).await.unwrap();
    assert_eq!(reported.missing_customer_ids, ["c1"]);
}

/// The 100 targets that a task shows are filled up from the rest.
#[tokio::test(flavor = "multi_thread")]
async fn removals_move_the_next_customers_up() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut task = new_task("a", &[]);
    task.target = (0..250).map(|n| format!("c{n}")).collect();
    client.create(task).await;
    let gone: Vec<_> = (0..150).step_by(2).map(|n| format!("c{n}")).collect();
    let removed = remove(&client, "a", &gone).await.unwrap();
    assert_eq!(removed.removed_count, 75);
    let left: Vec<_> = (0..250)
        .filter(|n| *n >= 150 || n % 2 == 1)
        .map(|n| format!("c{n}"))
        .collect();
    let task = removed.task.unwrap();
    assert_eq!(task.target, left[..100]);
    let targets = client.targets("a").await;
    assert_eq!(
        targets
            .into_iter()
            .map(|t| t.customer_id)
            .collect::<Vec<_>>(),
        left
    );
    // A customer that is added again comes last, without results.
    client
        .add_task_targets(vec![part("a", &["c0"])])
        .await
        .unwrap();
    assert_eq!(client.targets("a").await.last().unwrap().customer_id, "c0");
}
