//! Load: a closed loop for the peak, an open loop for latency.
//!
//! In a closed loop each caller asks again as soon as it has its answer. The rate is the service's capacity, but during
//! a stall the callers ask nothing, which hides the stall. In an open loop calls are due at fixed times, and a call's
//! latency counts from the time at which it was due, whether or not a caller was free. A stall shows in every call that
//! it delayed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{Result, client::Caller};

/// A call takes at most the service's deadline. A phase that exceeds its end by this time hangs.
const GRACE: Duration = Duration::from_secs(60);
/// Latencies are recorded in microseconds, to three digits.
const DIGITS: u8 = 3;

/// The duration of a phase.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    /// The warm-up, which does not count.
    pub(crate) warm_up: Duration,
    /// The part that counts.
    pub(crate) measure: Duration,
}

/// The result of a phase.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Right answers per second.
    pub(crate) rate: f64,
    /// All right answers, including those of the warm-up.
    pub(crate) answers: u64,
    /// Calls that the service refused because it was busy.
    pub(crate) refused: u64,
    /// Latency of right answers, in microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Measured {
    /// No calls yet.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            rate: 0.0,
            answers: 0,
            refused: 0,
            latency: Histogram::new(DIGITS)?,
        })
    }

    /// Counts one call; `counts` is false in the warm-up.
    pub(crate) fn note(&mut self, good: bool, counts: bool, latency: Duration) -> Result<()> {
        self.answers += u64::from(good);
        self.refused += u64::from(!good);
        if good && counts {
            self.latency.record(latency.as_micros() as u64)?;
        }
        Ok(())
    }

    /// A quantile of the latency, in milliseconds.
    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// Runs the callers in a closed loop.
pub(crate) async fn closed(callers: Vec<Caller>, phase: Phase) -> Result<Measured> {
    let from = Instant::now() + phase.warm_up;
    let until = from + phase.measure;
    let work = callers.into_iter().map(|mut caller| async move {
        let mut seen = Measured::new()?;
        loop {
            let asked = Instant::now();
            if asked >= until {
                return Ok(seen);
            }
            let good = caller.call().await?;
            let answered = Instant::now();
            let counts = answered >= from && answered < until;
            seen.note(good, counts, answered - asked)?;
        }
    });
    gather(work, phase).await
}

/// Lets one caller ask this number of times, one after the other.
pub(crate) async fn times(caller: &mut Caller, count: u32, seen: &mut Measured) -> Result<()> {
    for _ in 0..count {
        let asked = Instant::now();
        let good = caller.call().await?;
        seen.note(good, true, asked.elapsed())?;
    }
    Ok(())
}

/// Runs the callers in an open loop of `rate` calls per second.
pub(crate) async fn open(callers: Vec<Caller>, phase: Phase, rate: f64) -> Result<Measured> {
    let begin = Instant::now();
    let due = move |nth: u64| begin + Duration::from_secs_f64(nth as f64 / rate);
    let count = ((phase.warm_up + phase.measure).as_secs_f64() * rate) as u64;
    let released = Arc::new(Semaphore::new(0));
    let next = Arc::new(AtomicU64::new(0));
    let clock = release(count, due, callers.len(), Arc::clone(&released));
    let work = callers.into_iter().map(|mut caller| {
        let (released, next) = (Arc::clone(&released), Arc::clone(&next));
        async move {
            let mut seen = Measured::new()?;
            loop {
                released.acquire().await?.forget();
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    return Ok(seen);
                }
                let due = due(nth);
                let good = caller.call().await?;
                seen.note(good, due >= begin + phase.warm_up, due.elapsed())?;
            }
        }
    });
    let measured = gather(work, phase).await;
    clock.abort();
    measured
}

/// Releases one permit for each call when it is due, and at the end one for each caller, which then ends. A thread of
/// its own sleeps with a precision of about 50 µs. tokio's timers have a precision of a millisecond.
fn release(
    count: u64,
    due: impl Fn(u64) -> Instant + Send + 'static,
    callers: usize,
    released: Arc<Semaphore>,
) -> tokio::task::JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        for nth in 0..count {
            let wait = due(nth).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            released.add_permits(1);
        }
        released.add_permits(callers);
    })
}

/// Runs every caller to its end and adds up their results.
pub(crate) async fn gather(
    work: impl Iterator<Item = impl Future<Output = Result<Measured>> + Send + 'static>,
    phase: Phase,
) -> Result<Measured> {
    let mut running: JoinSet<Result<Measured>> = work.collect();
    let all = async {
        let mut sum = Measured::new()?;
        while let Some(seen) = running.join_next().await {
            let seen = seen??;
            sum.answers += seen.answers;
            sum.refused += seen.refused;
            sum.latency.add(seen.latency)?;
        }
        sum.rate = sum.latency.len() as f64 / phase.measure.as_secs_f64();
        Ok(sum)
    };
    tokio::time::timeout(phase.warm_up + phase.measure + GRACE, all).await?
}
