//! How tenants share permits: the rule itself, on its public type.

use std::time::Duration;

use outbound_tasks::{
    domain::tenant::TenantId,
    permits::{FairPermits, Permit},
};
use tokio::time::timeout;

const SOON: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// Takes all permits that `tenant` can get.
fn take_all(permits: &FairPermits, tenant: &TenantId) -> Vec<Permit> {
    std::iter::from_fn(|| permits.try_acquire(tenant)).collect()
}

#[test]
fn a_tenant_alone_leaves_some_for_the_next() {
    for (total, share) in [
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 3),
        (8, 6),
        (1024, 768),
        (5000, 3750),
    ] {
        let permits = FairPermits::new(total);
        let first = take_all(&permits, &tenant("a"));
        assert_eq!(first.len(), share, "of {total}");
        if total > 1 {
            let second = take_all(&permits, &tenant("b"));
            assert!(!second.is_empty(), "of {total}");
        }
        drop(first);
        assert!(permits.free() > 0);
    }
    let permits = FairPermits::new(0);
    assert!(permits.try_acquire(&tenant("a")).is_none());
}

/// Tenants that take all permits they can get end with equal shares, and a new tenant still finds some.
#[test]
fn many_tenants_get_equal_shares() {
    let permits = FairPermits::new(1024);
    let tenants: Vec<_> = (0..11).map(|n| tenant(&format!("t{n}"))).collect();
    let mut held: Vec<Vec<Permit>> = tenants.iter().map(|_| Vec::new()).collect();
    let (newcomer, others) = tenants.split_last().unwrap();
    // The first tenant has taken its maximum before the others come. Its calls end and begin like theirs.
    held[0] = take_all(&permits, &others[0]);
    for _ in 0..2000 {
        for (tenant, held) in others.iter().zip(&mut held) {
            if !held.is_empty() {
                held.remove(0);
            }
            held.extend(permits.try_acquire(tenant));
            held.extend(permits.try_acquire(tenant));
        }
    }
    let counts: Vec<_> = held[..10].iter().map(Vec::len).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least > 80 && *most < 120, "{counts:?}");
    assert!(take_all(&permits, newcomer).len() > 15);
}

#[tokio::test]
async fn a_freed_permit_goes_to_the_tenant_with_the_fewest() {
    let permits = FairPermits::new(4);
    let (a, b, c) = (tenant("a"), tenant("b"), tenant("c"));
    let mut of_a = take_all(&permits, &a);
    let of_b = permits.try_acquire(&b).unwrap();
    assert_eq!(permits.free(), 0);
    // The tenants with permits wait first. The tenant without a permit comes last.
    let more_a = tokio::spawn({
        let (permits, a) = (permits.clone(), a.clone());
        async move { permits.acquire(&a).await }
    });
    let more_b = tokio::spawn({
        let (permits, b) = (permits.clone(), b.clone());
        async move { permits.acquire(&b).await }
    });
    tokio::task::yield_now().await;
    assert!(timeout(SOON, of_a[0].wanted()).await.is_err());
    let of_c = tokio::spawn({
        let (permits, c) = (permits.clone(), c.clone());
        async move { permits.acquire(&c).await }
    });
    timeout(PATIENCE, of_a[0].wanted()).await.unwrap();
    of_a.pop();
    let of_c = timeout(PATIENCE, of_c).await.unwrap().unwrap();
    // No tenant without a permit waits now, and the last free permit is not for tenants that have some.
    assert!(timeout(SOON, of_b.wanted()).await.is_err());
    of_a.pop();
    assert!(!more_a.is_finished() && !more_b.is_finished());
    drop((of_a, of_b, of_c));
    timeout(PATIENCE, async {
        (more_a.await.unwrap(), more_b.await.unwrap())
    })
    .await
    .unwrap();
    assert_eq!(permits.free(), 4);
}

#[tokio::test]
async fn a_waiter_that_gives_up_costs_nothing() {
    let permits = FairPermits::new(1);
    let (a, b, c) = (tenant("a"), tenant("b"), tenant("c"));
    let held = permits.try_acquire(&a).unwrap();
    assert!(permits.acquire_soon(&b, SOON).await.is_none());
    assert!(timeout(SOON, held.wanted()).await.is_err());
    // A tenant that has a permit does not wait.
    let at_once = timeout(PATIENCE, permits.acquire_soon(&a, PATIENCE * 2));
    assert!(at_once.await.unwrap().is_none());
    let waiting = tokio::spawn({
        let permits = permits.clone();
        async move { permits.acquire_soon(&c, PATIENCE).await }
    });
    timeout(PATIENCE, held.wanted()).await.unwrap();
    drop(held);
    assert!(waiting.await.unwrap().is_some());
    assert_eq!(permits.free(), 1);
}
