//! Overload: many times more callers than the service can answer, each of which asks again as soon as it is answered or
//! refused.

use crate::{
    Result,
    client::Caller,
    load,
    run::Bench,
    table::{Table, quantiles, rate},
};

/// Callers with which the service reaches its peak.
const FEW: usize = 32;
/// Callers of the overload.
const CROWD: usize = 1_280;
const ROUNDS: usize = 3;

impl Bench<'_> {
    /// The table rows about overload. The service must have no list cache.
    pub(crate) async fn overload(&self, table: &mut Table) -> Result<()> {
        let phase = self.settings.phase;
        let (mut peak, mut crowd) = (0.0_f64, None);
        for round in 0..ROUNDS {
            eprintln!("overload, round {}", round + 1);
            let work = Caller::grpc(&self.service.address, FEW, &self.grpc).await?;
            peak = load::closed(work, phase).await?.rate.max(peak);
            let work = Caller::grpc(&self.service.address, CROWD, &self.grpc).await?;
            let seen = load::closed(work, phase).await?;
            let is_better = |best: &load::Measured| seen.rate > best.rate;
            if crowd.as_ref().is_none_or(is_better) {
                crowd = Some(seen);
            }
        }
        let crowd = crowd.ok_or("there was no round")?;
        table.row(
            &format!("gRPC, no cache, {CROWD} callers: right answers"),
            format!(
                "{}, p50 / p90 / p99 {}; {:.0} % of the calls refused",
                rate(crowd.rate),
                quantiles(&crowd),
                100.0 * crowd.refused as f64 / (crowd.refused + crowd.answers).max(1) as f64
            ),
            Some((format!("{FEW} callers {}", rate(peak)), crowd.rate / peak)),
        );
        Ok(())
    }
}
