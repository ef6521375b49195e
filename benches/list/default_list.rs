//! The default list, again and again: peaks, latencies of one caller and at half of the peak, processor time a call.

use std::time::Duration;

use prost::Message;

use crate::{
    Result, cached,
    client::Caller,
    load::{self, Phase},
    peaks::{Peak, Peaks},
    run::Bench,
    table::{Table, quantiles, rate, refused, thousands},
};

/// Callers of the open loops.
const MANY: usize = 64;
/// Minimum duration of an open loop. In a shorter one a single stall of some milliseconds delays the calls beyond the 99th
/// percentile.
const OPEN_LOOP: Duration = Duration::from_secs(5);

impl Bench<'_> {
    /// The main table rows. Their names end with `suffix`, which is empty for the program's defaults. Returns the share of
    /// the processor that other programs used.
    pub(crate) async fn default_list(&self, suffix: &str, table: &mut Table) -> Result<f64> {
        let peaks = self.peaks().await?;
        self.rates(&peaks, suffix, table).await?;
        self.latencies(&peaks, suffix, table).await?;
        costs(&peaks, suffix, table);
        Ok(peaks.others)
    }

    async fn rates(&self, peaks: &Peaks, suffix: &str, table: &mut Table) -> Result<()> {
        let Peaks {
            grpc,
            json,
            ready_made,
            pgbench,
            ..
        } = peaks;
        let is_cached = suffix.is_empty();
        let ready = ready_made.measured.rate;
        let both = 1.0 / (1.0 / pgbench + 1.0 / ready);
        let figure = |peak: &Peak| {
            let rate = rate(peak.measured.rate);
            format!(
                "{rate} ({} callers{})",
                peak.callers,
                refused(&peak.measured)
            )
        };
        // A repeated list needs no statement of its own, so the ready-made answer alone is its floor.
        let [grpc_floor, json_floor] = match is_cached {
            true => [("ready-made", ready); 2],
            false => [("L =", both), ("gRPC", grpc.measured.rate)],
        };
        for (name, peak, (floor, floor_rate)) in
            [("gRPC", grpc, grpc_floor), ("JSON", json, json_floor)]
        {
            table.row(
                &format!("{name}, peak{suffix}"),
                figure(peak),
                Some((
                    format!("{floor} {}", rate(floor_rate)),
                    peak.measured.rate / floor_rate,
                )),
            );
        }
        if is_cached {
            table.row("floor: pgbench, the same SQL", rate(*pgbench), None);
            let size = thousands(self.grpc.right.encoded_len() as i64);
            let what = format!("floor: ready-made answer of {size} bytes over gRPC");
            table.row(&what, figure(ready_made), None);
        }
        Ok(())
    }

    async fn latencies(&self, peaks: &Peaks, suffix: &str, table: &mut Table) -> Result<()> {
        let [grpc, json, ready_made] = &peaks.one_caller;
        let is_cached = suffix.is_empty();
        let (name, one_statement) = match is_cached {
            true => {
                let length = self.settings.phase.measure;
                let checks = self
                    .pgbench
                    .run(&cached::check_script()?, 1, length)
                    .await?;
                ("pgbench running the check", 1000.0 / checks)
            }
            false => ("pgbench", 1000.0 / peaks.one_client),
        };
        let callers = [
            (format!("gRPC, one caller{suffix}"), grpc),
            (format!("JSON, one caller{suffix}"), json),
            (
                "floor: ready-made answer, one caller".to_owned(),
                ready_made,
            ),
        ];
        for (what, seen) in &callers[..if is_cached { 3 } else { 2 }] {
            let floor = format!("{name}, mean {one_statement:.2} ms");
            let ratio = seen.millis(0.5) / one_statement;
            table.row(
                &format!("{what}: p50 / p90 / p99"),
                quantiles(seen),
                Some((floor, ratio)),
            );
        }
        let half = peaks.grpc.measured.rate / 2.0;
        let work = async || Caller::grpc(&self.service.address, MANY, &self.grpc).await;
        let what = format!("gRPC at half of its peak{suffix}");
        self.at_rate(&what, half, work, table).await?;
        if is_cached {
            let work = async || Caller::grpc(&self.ready_made.address, MANY, &self.grpc).await;
            self.at_rate("floor: ready-made answer", half, work, table)
                .await?;
        }
        let work = async || Caller::json(MANY, &self.json).await;
        let what = format!("JSON at half of its peak{suffix}");
        self.at_rate(&what, peaks.json.measured.rate / 2.0, work, table)
            .await
    }

    /// The median of three phases in an open loop, so that a short load of another program does not count.
    async fn at_rate(
        &self,
        what: &str,
        calls: f64,
        work: impl AsyncFn() -> Result<Vec<Caller>>,
        table: &mut Table,
    ) -> Result<()> {
        let phase = Phase {
            measure: self.settings.phase.measure.max(OPEN_LOOP),
            ..self.settings.phase
        };
        let mut phases = Vec::new();
        for _ in 0..3 {
            let work = work().await?;
            let others = self.others();
            let seen = load::open(work, phase, calls).await?;
            phases.push((seen, others.share(self)));
        }
        phases.sort_by(|(a, _), (b, _)| a.millis(0.99).total_cmp(&b.millis(0.99)));
        let (seen, others) = phases.swap_remove(1);
        let p50 = seen.millis(0.5);
        table.row(
            &format!("{what}, {}: p50 / p90 / p99", rate(calls)),
            format!(
                "{}; others took {:.0} % of the processor",
                quantiles(&seen),
                others * 100.0
            ),
            Some(("p50".to_owned(), seen.millis(0.99) / p50)),
        );
        Ok(())
    }
}

fn costs(peaks: &Peaks, suffix: &str, table: &mut Table) {
    for (name, peak) in [
        ("gRPC", &peaks.grpc),
        ("JSON", &peaks.json),
        ("ready-made answer", &peaks.ready_made),
    ] {
        if name == "ready-made answer" && !suffix.is_empty() {
            continue;
        }
        let Peak {
            server,
            postgres,
            client,
            ..
        } = peak;
        let what = format!("processor time a call, {name}{suffix}: server / PostgreSQL / caller");
        table.row(
            &what,
            format!("{server:.0} / {postgres:.0} / {client:.0} µs"),
            None,
        );
    }
}
