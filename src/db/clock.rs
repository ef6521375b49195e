//! PostgreSQL's clock, which all services on a database share.
//!
//! Every stored time, and every time that is compared with a stored one, comes from it. Otherwise a service with a
//! wrong clock, for example a hardware clock in local time, could delete data too early. The service's own clock only
//! measures durations.

use std::time::{Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{define_sql_function, dsl::sql, select, sql_types::Timestamptz};
use diesel_async::RunQueryDsl;

use super::Db;
use crate::error::Result;

/// The longest age, 2,737 years: PostgreSQL's times begin 4713 BC, and an older limit would overflow.
const LONGEST: TimeDelta = TimeDelta::days(1_000_000);

/// Limits an age to what PostgreSQL can subtract from the current time.
pub(super) fn span(age: TimeDelta) -> TimeDelta {
    age.min(LONGEST)
}

define_sql_function! {
    /// When the statement began. In a transaction that waited for a lock this is after the wait, unlike `now()`.
    fn statement_timestamp() -> Timestamptz;
}

impl Db {
    /// Measures how far this machine's clock is ahead of PostgreSQL's, in seconds. The error is at most half of the
    /// round trip.
    pub async fn clock_skew(&self) -> Result<f64> {
        let ask = select(sql::<Timestamptz>("clock_timestamp()"));
        let (took, own, theirs) = self
            .run(async |connection| {
                let (asked, own) = (Instant::now(), SystemTime::now());
                let theirs: DateTime<Utc> = ask.get_result(connection).await?;
                Ok((asked.elapsed(), own, theirs))
            })
            .await?;
        let own = DateTime::<Utc>::from(own) + took / 2;
        Ok((own - theirs).as_seconds_f64())
    }
}
