//! The peaks: service and floors alternate, in a closed loop, at one number of callers after the other.

use std::time::Instant;

use crate::{
    Result,
    client::Caller,
    load::{self, Measured},
    run::Bench,
    service::{self, Server},
};

/// Numbers of callers, and of pgbench's clients in the same round. pgbench has its peak with fewer, since it has no
/// other work to do while PostgreSQL works.
const ROUNDS: [(usize, usize); 4] = [(1, 1), (8, 4), (32, 8), (64, 16)];

/// A closed-loop phase, and the processor time of an answer in microseconds.
#[derive(Debug)]
pub(crate) struct Peak {
    /// Number of callers.
    pub(crate) callers: usize,
    /// Rate and latency.
    pub(crate) measured: Measured,
    /// Processor time of the server under load.
    pub(crate) server: f64,
    /// Processor time of PostgreSQL.
    pub(crate) postgres: f64,
    /// Processor time of this process.
    pub(crate) client: f64,
}

/// The best figures over the rounds, and those with one caller.
#[derive(Debug)]
pub(crate) struct Peaks {
    /// The service over gRPC.
    pub(crate) grpc: Peak,
    /// The service over HTTP GET.
    pub(crate) json: Peak,
    /// The ready-made answer over gRPC.
    pub(crate) ready_made: Peak,
    /// pgbench's statements per second.
    pub(crate) pgbench: f64,
    /// With one caller: the service over gRPC, over HTTP GET, the ready-made answer.
    pub(crate) one_caller: [Measured; 3],
    /// pgbench's statements per second with one client.
    pub(crate) one_client: f64,
    /// Share of the processor that other programs used meanwhile.
    pub(crate) others: f64,
}

impl Bench<'_> {
    /// Runs all rounds.
    pub(crate) async fn peaks(&self) -> Result<Peaks> {
        let [mut grpc, mut json, mut ready_made] = [const { Vec::new() }; 3];
        let mut tps = Vec::new();
        let mut others = Vec::new();
        for (callers, clients) in ROUNDS {
            eprintln!("{callers} callers, {clients} pgbench clients");
            let before = self.others();
            let work = Caller::grpc(&self.service.address, callers, &self.grpc).await?;
            grpc.push(self.peak(&self.service, work).await?);
            let work = Caller::grpc(&self.ready_made.address, callers, &self.grpc).await?;
            ready_made.push(self.peak(&self.ready_made, work).await?);
            let work = Caller::json(callers, &self.json).await?;
            json.push(self.peak(&self.service, work).await?);
            others.push(before.share(self));
            let length = self.settings.phase.measure;
            tps.push(self.pgbench.run(&self.script, clients, length).await?);
        }
        // The first round has one caller.
        let one_client = tps[0];
        let (one_grpc, grpc) = first_and_best(grpc)?;
        let (one_json, json) = first_and_best(json)?;
        let (one_ready_made, ready_made) = first_and_best(ready_made)?;
        Ok(Peaks {
            grpc,
            json,
            ready_made,
            pgbench: tps.into_iter().fold(0.0, f64::max),
            one_caller: [one_grpc, one_json, one_ready_made],
            one_client,
            others: others.iter().sum::<f64>() / others.len() as f64,
        })
    }

    /// Begins to measure the processor time of other programs.
    pub(crate) fn others(&self) -> Others {
        Others(self.others_cpu(), Instant::now())
    }

    /// CPU time of other programs so far, in seconds.
    fn others_cpu(&self) -> f64 {
        let postgres = service::postgres_cpu(self.postmaster);
        let ours = self.service.cpu() + self.ready_made.cpu() + postgres + service::own_cpu();
        service::machine_cpu() - ours
    }

    async fn peak(&self, server: &Server, work: Vec<Caller>) -> Result<Peak> {
        let callers = work.len();
        let cpu = || {
            [
                server.cpu(),
                service::postgres_cpu(self.postmaster),
                service::own_cpu(),
            ]
        };
        let before = cpu();
        let measured = load::closed(work, self.settings.phase).await?;
        let after = cpu();
        let cost = |at: usize| (after[at] - before[at]) * 1e6 / measured.answers.max(1) as f64;
        Ok(Peak {
            callers,
            server: cost(0),
            postgres: cost(1),
            client: cost(2),
            measured,
        })
    }
}

/// CPU time of other programs up to an instant. pgbench counts among them, so it must not run meanwhile.
#[derive(Debug)]
pub(crate) struct Others(f64, Instant);

impl Others {
    /// Share of the processor that they used since then.
    pub(crate) fn share(self, bench: &Bench<'_>) -> f64 {
        let whole = self.1.elapsed().as_secs_f64() * service::cores() as f64;
        ((bench.others_cpu() - self.0) / whole).max(0.0)
    }
}

/// The result of the first phase, and the phase with the highest rate, which may be the same.
fn first_and_best(phases: Vec<Peak>) -> Result<(Measured, Peak)> {
    let first = phases.first().ok_or("there was no round")?.measured.clone();
    let best = phases
        .into_iter()
        .max_by(|a, b| a.measured.rate.total_cmp(&b.measured.rate));
    Ok((first, best.ok_or("there was no round")?))
}
