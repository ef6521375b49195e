//! The progress of a task over time, and what follows from it: how many calls a minute are made, and when the task is
//! expected to end.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::{status::TaskStatus, target::TargetCounts};

/// The time over which calls and finished customers are counted.
const RATE_SPAN: TimeDelta = TimeDelta::minutes(10);
/// A rate of a shorter time would say little.
const LEAST_RATE_SPAN: TimeDelta = TimeDelta::minutes(1);
/// The longest time between two points of a task whose numbers change all the time: a minute, and one tick of the worker.
const POINT_SPAN: TimeDelta = TimeDelta::seconds(90);
/// The last year of a time in a response.
const LAST_YEAR: i32 = 9999;

/// How far a task was at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgressPoint {
    /// The instant.
    pub at: DateTime<Utc>,
    /// The progress of the task, in percent.
    pub progress: i16,
    /// The number of its targets in each state.
    pub counts: TargetCounts,
    /// How many calls had their result stored. Only differences mean something.
    pub calls: i64,
}

/// A task at an instant, and the points that were stored of it.
#[derive(Debug)]
pub struct ProgressHistory {
    /// The points, in the order of time.
    pub points: Vec<ProgressPoint>,
    /// The task as it is.
    pub now: ProgressPoint,
    /// Its status.
    pub status: TaskStatus,
    /// Since when it has this status.
    pub status_since: DateTime<Utc>,
    /// When a result of it was last stored.
    pub last_result_at: Option<DateTime<Utc>>,
}

/// The progress of a task over time.
#[derive(Debug, PartialEq)]
pub struct TaskProgress {
    /// The points, in the order of time; the last one has the numbers that the task has now.
    pub points: Vec<ProgressPoint>,
    /// How many calls were made in a minute; `None` unless the task is running and was observed long enough.
    pub calls_per_minute: Option<f64>,
    /// When all customers are expected to be finished; `None` if that cannot be told.
    pub expected_end: Option<DateTime<Utc>>,
    /// The instant whose committed state this is.
    pub as_of: DateTime<Utc>,
}

impl ProgressHistory {
    /// What follows from the history.
    pub fn progress(mut self) -> TaskProgress {
        let measured = self.measure();
        self.add_last_point();
        TaskProgress {
            calls_per_minute: measured.map(|m| m.calls as f64 / minutes(m.span)),
            expected_end: measured.and_then(|m| self.expected_end(m)),
            as_of: self.now.at,
            points: self.points,
        }
    }

    /// Adds the task as it is, unless nothing was stored of it. The numbers of a task that is not running are those of its
    /// last result, or of the change of its status if that was later.
    fn add_last_point(&mut self) {
        let Some(last) = self.points.last_mut() else {
            return;
        };
        let mut now = self.now;
        if self.status != TaskStatus::Running {
            let result = self.last_result_at.unwrap_or(self.status_since);
            // A point may be stored while the task is changed.
            now.at = self.status_since.max(result).max(last.at);
        }
        if now.at <= last.at {
            *last = now;
        } else {
            self.points.push(now);
        }
    }

    /// Counts what was done in the last [`RATE_SPAN`] and at most [`POINT_SPAN`] before it, or since the task runs if that
    /// is shorter.
    fn measure(&self) -> Option<Measured> {
        if self.status != TaskStatus::Running {
            return None;
        }
        let now = &self.now;
        let from = (now.at - RATE_SPAN).max(self.status_since);
        let of_this_run = self.points.iter().filter(|p| p.at >= self.status_since);
        let before = of_this_run.clone().rfind(|p| p.at <= from);
        let base = before.or_else(|| of_this_run.clone().next())?;
        // Points are stored while numbers change. So an older one has the numbers of `from`; what was done after one that
        // is less old may have been done before `from`, so the time begins there.
        let begin = match from - base.at > POINT_SPAN {
            true => from,
            false => base.at,
        };
        let span = now.at - begin;
        (span >= LEAST_RATE_SPAN).then(|| Measured {
            span,
            calls: now.calls - base.calls,
            finished: now.counts.finished() - base.counts.finished(),
        })
    }

    /// Assumes that the remaining customers are finished at the same rate.
    fn expected_end(&self, measured: Measured) -> Option<DateTime<Utc>> {
        let counts = &self.now.counts;
        let remaining = i64::from(counts.total()) - counts.finished();
        if measured.finished <= 0 || remaining <= 0 {
            return None;
        }
        let rate = measured.finished as f64 / measured.span.as_seconds_f64();
        let seconds = (remaining as f64 / rate).round();
        // Too long a time becomes the largest number, which is refused.
        let end = self
            .now
            .at
            .checked_add_signed(TimeDelta::try_seconds(seconds as i64)?)?;
        (end.year() <= LAST_YEAR).then_some(end)
    }
}

/// What was done in a time.
#[derive(Debug, Clone, Copy)]
struct Measured {
    span: TimeDelta,
    calls: i64,
    /// Customers that need no further call.
    finished: i64,
}

fn minutes(span: TimeDelta) -> f64 {
    span.as_seconds_f64() / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    /// Of 1,000 customers: the minute, the calls, and the customers that answered.
    fn point(minute: i64, calls: i64, answered: i32) -> ProgressPoint {
        let counts = TargetCounts {
            answered,
            pending: 1000 - answered,
            ..TargetCounts::default()
        };
        ProgressPoint {
            at: at(minute),
            progress: counts.progress(),
            counts,
            calls,
        }
    }

    fn running(points: &[ProgressPoint], now: ProgressPoint, since: i64) -> ProgressHistory {
        ProgressHistory {
            points: points.to_vec(),
            now,
            status: TaskStatus::Running,
            status_since: at(since),
            last_result_at: None,
        }
    }

    #[test]
    fn rates_are_those_of_the_last_ten_minutes() {
        let points = [point(0, 0, 0), point(80, 100, 50), point(95, 140, 80)];
        let progress = running(&points, point(100, 200, 100), 0).progress();
        // 100 calls and 50 customers since the minute 90, when the numbers were those of the minute 80.
        assert_eq!(progress.calls_per_minute, Some(10.0));
        assert_eq!(progress.expected_end, Some(at(100 + 900 / 5)));
        assert_eq!(progress.points.last(), Some(&point(100, 200, 100)));
        assert_eq!(progress.points.len(), 4);
    }

    #[test]
    fn a_steady_rate_is_measured_exactly() {
        let points: Vec<_> = (0..60).map(|minute| point(minute, 9 * minute, 0)).collect();
        for seconds in [1, 30, 59] {
            let mut now = point(60, 0, 0);
            now.at = at(59) + TimeDelta::seconds(seconds);
            now.calls = 9 * 59 + 9 * seconds / 60;
            let rate = running(&points, now, 0).progress().calls_per_minute;
            let rate = rate.expect("a running task has a rate");
            assert!((8.9..=9.0).contains(&rate), "{seconds} s: {rate}");
        }
    }

    #[test]
    fn a_short_run_is_measured_from_its_first_point() {
        let points = [point(0, 0, 0), point(50, 90, 90), point(61, 90, 90)];
        // Paused in between, and running again for four minutes.
        let progress = running(&points, point(65, 130, 110), 61).progress();
        assert_eq!(progress.calls_per_minute, Some(10.0));
        assert_eq!(progress.expected_end, Some(at(65 + 890 / 5)));
    }

    #[test]
    fn nothing_is_told_without_a_measurement() {
        let none = |history: ProgressHistory| {
            let progress = history.progress();
            (progress.calls_per_minute, progress.expected_end)
        };
        let points = [point(0, 0, 0)];
        assert_eq!(none(running(&[], point(9, 9, 9), 0)), (None, None));
        assert_eq!(none(running(&points, point(0, 9, 9), 0)), (None, None));
        // No point of this run yet.
        assert_eq!(none(running(&points, point(9, 9, 9), 1)), (None, None));
        let still = running(&points, point(9, 0, 0), 0);
        assert_eq!(none(still), (Some(0.0), None));
        let all = running(&points, point(10, 1000, 1000), 0);
        assert_eq!(none(all), (Some(100.0), None));
        let paused = ProgressHistory {
            status: TaskStatus::Paused,
            ..running(&points, point(9, 9, 9), 0)
        };
        assert_eq!(none(paused), (None, None));
        // At one customer in ten minutes, this many take 40,000 years.
        let mut slow = running(&points, point(10, 1, 1), 0);
        slow.now.counts.pending = i32::MAX - 1;
        assert_eq!(none(slow), (Some(0.1), None));
    }

    #[test]
    fn the_last_point_of_an_ended_task_is_its_end() {
        let ended = ProgressHistory {
            status: TaskStatus::Completed,
            status_since: at(12),
            last_result_at: Some(at(10)),
            ..running(&[point(0, 0, 0), point(9, 90, 90)], point(99, 100, 100), 0)
        };
        let progress = ended.progress();
        assert_eq!(progress.points.last(), Some(&point(12, 100, 100)));
        assert_eq!(progress.as_of, at(99));
    }
}
