//! The order in which waiting calls get permits, shares, bounds of the waiting time: the rules themselves, on the public
//! type.

use std::{panic, time::Duration};

use futures_util::FutureExt;
use outbound_tasks::{
    domain::tenant::TenantId,
    fair_queue::{FairQueue, Lane, QueuePermit, Refused},
};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};

const PATIENCE: Duration = Duration::from_secs(2);
const MILLI: Duration = Duration::from_millis(1);

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

async fn take(queue: &FairQueue, id: &str, lane: Lane) -> Result<QueuePermit, Refused> {
    queue.acquire(Some(&tenant(id)), lane).await
}

type Waiting = JoinHandle<Result<QueuePermit, Refused>>;

/// A call that has begun to wait.
async fn wait(queue: &FairQueue, id: &'static str, lane: Lane) -> Waiting {
    let (queue, before) = (queue.clone(), queue.waiting());
    let waiting = {
        let queue = queue.clone();
        tokio::spawn(async move { take(&queue, id, lane).await })
    };
    while queue.waiting() == before && !waiting.is_finished() {
        yield_now().await;
    }
    waiting
}

/// Calls that run until `until`, each for `time`, one after the other. Returns how many were served.
async fn load(
    queue: FairQueue,
    id: &'static str,
    lane: Lane,
    time: Duration,
    until: Instant,
) -> u32 {
    let mut served = 0;
    while Instant::now() < until {
        match take(&queue, id, lane).await {
            Ok(permit) => {
                sleep(time).await;
                drop(permit);
                served += 1;
            }
            Err(Refused) => sleep(100 * MILLI).await,
        }
    }
    served
}

#[tokio::test]
async fn waiting_tenants_take_turns() {
    let queue = FairQueue::new(1, PATIENCE);
    let held = take(&queue, "a", Lane::Quick).await.unwrap();
    let mut waiting = Vec::new();
    for id in ["a", "a", "a", "b", "b", "c"] {
        waiting.push((id, wait(&queue, id, Lane::Quick).await));
    }
    let mut held = Some(held);
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(held.take());
        while !waiting.iter().any(|(_, call)| call.is_finished()) {
            yield_now().await;
        }
        let at = waiting.iter().position(|(_, call)| call.is_finished());
        let (id, call) = waiting.remove(at.unwrap());
        order.push(id);
        held = Some(call.await.unwrap().unwrap());
    }
    assert_eq!(order, ["a", "b", "c", "a", "b", "a"]);
}

#[tokio::test]
async fn a_released_permit_goes_to_the_tenant_with_the_fewest() {
    let queue = FairQueue::new(4, PATIENCE);
    let mut of_a = Vec::new();
    for _ in 0..3 {
        of_a.push(take(&queue, "a", Lane::Quick).await.unwrap());
    }
    let _of_b = take(&queue, "b", Lane::Quick).await.unwrap();
    let mut more_a = wait(&queue, "a", Lane::Quick).await;
    let more_b = wait(&queue, "b", Lane::Quick).await;
    of_a.pop();
    let _of_b = more_b.await.unwrap().unwrap();
    assert!(tokio::time::timeout(MILLI, &mut more_a).await.is_err());
}

/// Forty callers of one tenant, two of another: both get the same while both wait.
#[tokio::test]
async fn a_tenant_with_many_calls_gets_no_more_than_one_with_few() {
    let queue = FairQueue::new(4, PATIENCE);
    let until = Instant::now() + PATIENCE;
    let calls = |id, count| {
        let calls = (0..count).map(|_| load(queue.clone(), id, Lane::Quick, 10 * MILLI, until));
        futures_util::future::join_all(calls)
    };
    let (many, few) = tokio::join!(calls("a", 40), calls("b", 4));
    let (many, few): (u32, u32) = (many.iter().sum(), few.iter().sum());
    assert!(few * 3 >= many * 2, "{few} and {many}");
}

/// Slow calls leave permits to quick ones at any time, and more if another tenant is there.
#[tokio::test]
async fn slow_calls_have_a_lane_of_their_own() {
    let queue = FairQueue::new(8, PATIENCE);
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(take(&queue, "a", Lane::Slow).await.unwrap());
    }
    let mut next = wait(&queue, "a", Lane::Slow).await;
    assert!(tokio::time::timeout(MILLI, &mut next).await.is_err());
    assert_eq!(queue.free(), 2);
    // Another tenant comes: the first one gets no slow permit before it holds fewer than an eighth.
    let other = take(&queue, "b", Lane::Quick).await.unwrap();
    slow.truncate(1);
    assert!(tokio::time::timeout(MILLI, &mut next).await.is_err());
    slow.clear();
    let next = next.await.unwrap().unwrap();
    // A slow call of the other tenant has room.
    let theirs = take(&queue, "b", Lane::Slow).await.unwrap();
    drop((other, next, theirs, slow));
    assert_eq!(queue.free(), 8);
    // A second after the other tenant's last call, the first one has the whole lane again.
    sleep(1100 * MILLI).await;
    let mut slow_permits = Vec::new();
    for _ in 0..6 {
        slow_permits.push(take(&queue, "a", Lane::Slow).await.unwrap());
    }
}

/// One tenant has 40 callers of slow statements. Another tenant's calls wait for none of them.
#[tokio::test]
async fn a_quick_call_does_not_wait_for_slow_ones() {
    let queue = FairQueue::new(8, PATIENCE);
    let until = Instant::now() + PATIENCE;
    for _ in 0..40 {
        tokio::spawn(load(queue.clone(), "a", Lane::Slow, 200 * MILLI, until));
    }
    sleep(MILLI).await;
    while Instant::now() < until {
        let permit = take(&queue, "b", Lane::Quick).now_or_never();
        let permit = permit.expect("a permit is free").unwrap();
        sleep(MILLI).await;
        drop(permit);
        sleep(10 * MILLI).await;
    }
}

/// While another tenant is active, a tenant's share of the slow lane stays taken for as long as its statement took, and for
/// 100 ms at most. That share only: other calls find permits.
#[tokio::test]
async fn a_slow_call_is_followed_by_a_rest_if_another_tenant_is_active() {
    let queue = FairQueue::new(8, PATIENCE);
    let slow = |id| take(&queue, id, Lane::Slow).now_or_never();
    for _ in 0..2 {
        let permit = slow("a").expect("a tenant alone does not rest");
        sleep(20 * MILLI).await;
        drop(permit);
    }
    let _active = take(&queue, "b", Lane::Quick).await.unwrap();
    for time in [50 * MILLI, 1000 * MILLI] {
        let permit = slow("a").expect("the rest is over");
        let since = Instant::now();
        sleep(time).await;
        let took = since.elapsed();
        drop(permit);
        let since = Instant::now();
        let next = wait(&queue, "a", Lane::Slow).await;
        assert_eq!(queue.waiting(), 1);
        slow("b").expect("another tenant does not rest").unwrap();
        let quick = take(&queue, "a", Lane::Quick).now_or_never();
        quick.expect("a quick call does not rest").unwrap();
        drop(next.await.unwrap().unwrap());
        let rest = since.elapsed();
        assert!(
            rest >= took.min(100 * MILLI) && rest < 900 * MILLI,
            "{rest:?}"
        );
        sleep(100 * MILLI).await;
    }
    assert_eq!(queue.free(), 7);
}

/// The queue gets a permit every 100 ms or later. So of 40 calls at most 20 can be served within two seconds, and the others
/// are refused at once.
#[tokio::test]
async fn a_call_that_would_wait_too_long_is_refused_at_once() {
    let queue = FairQueue::new(1, PATIENCE);
    let until = Instant::now() + 10 * PATIENCE;
    let calls = (0..3).map(|_| load(queue.clone(), "a", Lane::Quick, 100 * MILLI, until));
    let calls = tokio::spawn(futures_util::future::join_all(calls));
    sleep(PATIENCE).await;
    let before = queue.refused();
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let call = wait(&queue, "a", Lane::Quick).await;
        match queue.waiting() > waiting.len() {
            true => waiting.push(call),
            false => assert_eq!(call.await.unwrap().unwrap_err(), Refused),
        }
    }
    let refused = queue.refused() - before;
    assert!(refused >= 20, "{refused}");
    calls.abort();
    let mut served = 0;
    for call in waiting {
        if call.await.unwrap().is_ok() {
            served += 1;
        }
    }
    assert!(served > 2, "{served}");
}

/// Nothing is released: the calls wait no longer than the bound, and later ones not at all.
#[tokio::test]
async fn a_queue_that_does_not_move_refuses() {
    let queue = FairQueue::new(1, PATIENCE);
    let held = take(&queue, "a", Lane::Quick).await.unwrap();
    let began = Instant::now();
    let first = wait(&queue, "a", Lane::Quick).await;
    sleep(PATIENCE / 2).await;
    let second = wait(&queue, "a", Lane::Quick).await;
    assert_eq!(first.await.unwrap().unwrap_err(), Refused);
    assert!(began.elapsed() >= PATIENCE);
    sleep(PATIENCE / 8).await;
    let third = take(&queue, "a", Lane::Quick).now_or_never();
    assert_eq!(third.expect("an answer at once").unwrap_err(), Refused);
    // The other tenant's queue is empty, so its call may wait.
    let other = wait(&queue, "b", Lane::Quick).await;
    assert_eq!(second.await.unwrap().unwrap_err(), Refused);
    assert_eq!(queue.refused(), 3);
    drop(held);
    drop(other.await.unwrap().unwrap());
    assert_eq!(queue.free(), 1);
}

/// Calls that are dropped while they wait, that panic, and that get their permit in the moment in which they are dropped.
#[tokio::test]
async fn no_permit_is_lost() {
    let queue = FairQueue::new(2, PATIENCE);
    for _ in 0..100 {
        let held = take(&queue, "a", Lane::Quick).await.unwrap();
        let slow = take(&queue, "b", Lane::Slow).await.unwrap();
        let calls = [
            wait(&queue, "a", Lane::Quick).await,
            wait(&queue, "b", Lane::Slow).await,
            wait(&queue, "c", Lane::Quick).await,
        ];
        calls[0].abort();
        // Granted before the aborted calls have run.
        drop(held);
        calls[2].abort();
        drop(slow);
        let [a, b, c] = calls;
        let (a, b, c) = tokio::join!(a, b, c);
        drop((a, b, c));
        let panicking = {
            let queue = queue.clone();
            tokio::spawn(async move {
                let _permit = take(&queue, "a", Lane::Quick).await;
                panic::resume_unwind(Box::new("on purpose"));
            })
        };
        assert!(panicking.await.is_err());
        assert_eq!((queue.free(), queue.waiting()), (2, 0));
    }
}

/// As many tenants as there may be with a state, and more.
#[tokio::test]
async fn tenants_that_use_nothing_are_forgotten() {
    let queue = FairQueue::new(4, PATIENCE);
    let held = take(&queue, "held", Lane::Slow).await.unwrap();
    for n in 0..5_000 {
        let id = format!("t{n}");
        drop(take(&queue, &id, Lane::Quick).await.unwrap());
    }
    drop(held);
    assert_eq!(queue.free(), 4);
}

/// Permits that were withdrawn come back as free ones, and reach calls that wait.
#[tokio::test]
async fn withdrawn_permits_are_added_again() {
    let queue = FairQueue::new(2, PATIENCE);
    let held = take(&queue, "a", Lane::Quick).await.unwrap();
    queue.withdraw(queue.try_acquire().unwrap());
    assert_eq!(queue.free(), 0);
    assert!(queue.try_acquire().is_none());
    let waiting = wait(&queue, "b", Lane::Quick).await;
    queue.add(1);
    let theirs = waiting.await.unwrap().unwrap();
    drop((held, theirs));
    assert_eq!(queue.free(), 2);
}

/// A queue that was slow once forgets it when nobody waits any more.
#[tokio::test]
async fn a_slow_moment_of_the_past_refuses_nobody() {
    let queue = FairQueue::new(1, PATIENCE);
    let held = take(&queue, "a", Lane::Quick).await.unwrap();
    let waiting = wait(&queue, "a", Lane::Quick).await;
    sleep(PATIENCE * 3 / 4).await;
    drop(held);
    drop(waiting.await.unwrap().unwrap());

    let held = take(&queue, "a", Lane::Quick).await.unwrap();
    let mut calls = Vec::new();
    for _ in 0..20 {
        calls.push(wait(&queue, "a", Lane::Quick).await);
    }
    drop(held);
    for call in calls {
        drop(call.await.unwrap().unwrap());
    }
    assert_eq!(queue.refused(), 0);
}
