//! PostgreSQL's clock: the one that all services on a database share.
//!
//! Every time that is stored, and every time that is compared with a stored one, comes from it. A service whose own clock
//! is wrong, for example a hardware clock in local time, would otherwise delete what is to be kept. The service's own clock
//! measures durations only.

use std::time::{Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{dsl::sql, select, sql_types::Timestamptz};
use diesel_async::RunQueryDsl;

use super::Db;
use crate::error::Result;

/// The longest age that is compared with: 2,737 years. PostgreSQL's times begin 4,713 BC, and none is stored that is older.
const LONGEST: TimeDelta = TimeDelta::days(1_000_000);

/// An age as PostgreSQL can subtract it from now.
pub(super) fn span(age: TimeDelta) -> TimeDelta {
    age.min(LONGEST)
}

impl Db {
    /// How far this machine's clock is ahead of PostgreSQL's, in seconds, to half of the time that asking takes.
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
