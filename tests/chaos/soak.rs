//! The service's memory under a steady load, without a scrape of its metrics: it must not grow.
//!
//! `SOAK_MINUTES` is the length of the measurement, 60 by default; a quarter of it, but at least two minutes, comes before
//! it, so that caches and the allocator are full. The rule is for an hour: shorter runs report the slope and allow more,
//! because a page that is touched late weighs more in them.
//!
//! The allocator keeps some 10 MiB of freed pages for a while and then returns them at once, which hides a slope of 1 MiB. So
//! here it returns them at once, and of each five minutes the least memory counts: a leak raises that too.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use outbound_tasks::pb::{TaskFilter, TaskStatus};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    load::{Load, assert_passing, client, list},
    setting,
    support::{
        database::Database,
        keys,
        process::Process,
        watch::{Picture, Watch},
    },
};

const MINUTE: Duration = Duration::from_secs(60);
const MIB: f64 = (1 << 20) as f64;
/// How far the slope of an hour may be from zero, in MiB.
const SLOPE: f64 = 1.0;
const CALLERS: u32 = 8;
/// The number of measurements, one each five seconds, of which the least counts.
const OF_WINDOW: usize = 60;

/// The slope of the line through (x, y) with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
    let (x, y) = (x / count, y / count);
    let product: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let square: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    product / square
}

/// How many lists a second all callers get when each sends the next at once.
async fn peak(service: &Process, key: &str) -> f64 {
    let began = Instant::now();
    let length = Duration::from_secs(5);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let client = client(service.address, key);
        callers.spawn(async move {
            let mut calls = 0;
            while began.elapsed() < length {
                list(&client).await.unwrap();
                calls += 1;
            }
            calls
        });
    }
    let calls: Vec<u32> = callers.join_all().await;
    f64::from(calls.into_iter().sum::<u32>()) / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow() {
    let minutes = setting("SOAK_MINUTES", 60).max(1) as u32;
    let database = Database::new().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    database.add_tasks("demo", 10_000).await;
    let key = keys::create(&database, "read,write", &[]).await;
    // Changes of the first hour are trimmed while it runs.
    let arguments = ["--watch-retention=1m", "--audit-retention=1m"];
    let at_once = "export MIMALLOC_PURGE_DELAY=0";
    let service = Process::serve_after(at_once, &database, &arguments).await;
    let load = Load::new([service.address; 2], &key);
    load.created.store(10_000, SeqCst);
    let peak = peak(&service, &key).await;
    let pause = Duration::from_secs_f64(f64::from(CALLERS) / (peak / 2.0));

    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = client(service.address, &key);
        let stop = Arc::clone(&load.stop);
        callers.spawn(async move {
            let mut ticks = tokio::time::interval(pause);
            let mut calls = u64::from(caller);
            while !stop.load(SeqCst) {
                ticks.tick().await;
                match list(&client).await {
                    Ok(_) => calls += 1,
                    // The service ends connections that are old, and a call may be sent at that moment.
                    Err(error) => assert_passing(&error),
                }
            }
            calls
        });
    }
    let writers: Vec<_> = (0..2)
        .map(|n| tokio::spawn(load.clone().write(n)))
        .collect();
    let watching = Arc::clone(&load.stop);
    let (address, own) = (service.address, key.clone());
    // Watches begin, are read, and end, as those of browsers do. What a watch holds grows with the tasks that match, so these
    // are of a status that every task of the writers leaves.
    let watches = tokio::spawn(async move {
        while !watching.load(SeqCst) {
            let picture = Picture::of(TaskFilter {
                status: vec![TaskStatus::Pending.into()],
                ..Default::default()
            });
            let begun = async {
                let mut watch = Watch::begin(address, &own, picture.request()).await?;
                watch.next().await
            };
            if let Err(error) = begun.await {
                assert_passing(&error);
            }
            sleep(Duration::from_secs(1)).await;
        }
    });

    let warm_up = (MINUTE * minutes / 4).max(2 * MINUTE);
    sleep(warm_up).await;
    let began = Instant::now();
    let mut points = Vec::new();
    while began.elapsed() < MINUTE * minutes {
        let hours = began.elapsed().as_secs_f64() / 3600.0;
        points.push((hours, service.memory() as f64 / MIB));
        sleep(Duration::from_secs(5)).await;
    }
    load.stop.store(true, SeqCst);
    let calls: u64 = callers.join_all().await.into_iter().sum();
    for writer in writers {
        writer.await.unwrap();
    }
    watches.await.unwrap();
    let least = points.chunks(OF_WINDOW.min(points.len() / 4 + 1));
    let least =
        least.filter_map(|window| window.iter().min_by(|a, b| a.1.total_cmp(&b.1)).copied());
    let points: Vec<(f64, f64)> = least.collect();
    let slope = slope(&points);
    let [first, last] = [points[0].1, points[points.len() - 1].1];
    eprintln!(
        "{minutes} min at half of {peak:.0} lists/s, {calls} lists, {} writes: {first:.1} MiB, then {last:.1} MiB, slope \
        {slope:+.2} MiB/h",
        load.acknowledged.load(SeqCst)
    );
    let allowed = SLOPE * (60.0 / f64::from(minutes)).max(1.0);
    assert!(
        slope.abs() <= allowed,
        "{slope:+.2} MiB/h, and {allowed} is allowed: {points:?}"
    );
}
