//! What row-level security costs: the same calls to two services without a cache of lists, one as the owner of the tables,
//! one as a role that it restricts. Both take turns, and the median counts.

use std::{path::Path, sync::Arc};

use outbound_tasks::{
    app::App,
    db::{DbOptions, Password},
};
use tokio_postgres::Client;

use crate::{
    Result,
    changes::{self, Work},
    client::{Caller, MixedCall, Target},
    load::{self, Measured},
    run::Bench,
    service::{Server, postgres_cpu},
    table::{Table, rate},
};

/// The restricted role.
const ROLE: &str = "bench_service";
const CALLERS: usize = 16;
/// Turns of each service.
const ROUNDS: usize = 5;
/// As the other parts have it that measure statements.
const ARGUMENTS: [&str; 2] = ["--list-cache", "0"];

/// Creates the restricted role, and returns the URL with it.
pub(crate) async fn restricted(url: &str, sql: &Client) -> Result<String> {
    let there = "SELECT FROM pg_roles WHERE rolname = $1";
    if sql.query_opt(there, &[&ROLE]).await?.is_none() {
        sql.batch_execute(&format!("CREATE ROLE {ROLE} LOGIN"))
            .await?;
    }
    let app = App::new(&DbOptions {
        url: url.to_owned(),
        password: Password::None,
        pool_size: 1,
        exports: 1,
        statement_timeout: None,
    })?;
    app.grant_to(ROLE).await?;
    Ok(format!("{url}&user={ROLE}"))
}

/// What the callers do.
#[derive(Debug, Clone, Copy)]
enum Calls {
    DefaultList,
    DifferentLists,
    Changes(Work),
}

/// The rate of a turn, and the processor time of a call in microseconds: of the service and of PostgreSQL.
#[derive(Debug, Clone, Copy)]
struct Turn {
    rate: f64,
    service: f64,
    postgres: f64,
}

impl Bench<'_> {
    /// The table rows about row-level security.
    pub(crate) async fn row_security(&self, dir: &Path, table: &mut Table) -> Result<()> {
        let restricted = restricted(&self.url, &self.sql).await?;
        let services = [
            Server::start(&self.url, dir, &ARGUMENTS).await?,
            Server::start(&restricted, dir, &ARGUMENTS).await?,
        ];
        let (different, _) = self.mix().await?;
        for (what, calls) in [
            ("a list", Calls::DefaultList),
            ("different lists", Calls::DifferentLists),
            ("status change", Calls::Changes(Work::Status)),
            ("100 results", Calls::Changes(Work::Results)),
        ] {
            eprintln!("row-level security: {what}");
            if matches!(calls, Calls::Changes(Work::Status)) {
                // After the lists, whose totals it changes.
                self.sql.batch_execute(&changes::prepare()).await?;
            }
            let mut turns = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (service, turns) in services.iter().zip(&mut turns) {
                    let before = (service.cpu(), postgres_cpu(self.postmaster));
                    let seen = self.turn(service, calls, &different).await?;
                    let answers = seen.answers as f64;
                    turns.push(Turn {
                        rate: seen.rate,
                        service: (service.cpu() - before.0) / answers * 1e6,
                        postgres: (postgres_cpu(self.postmaster) - before.1) / answers * 1e6,
                    });
                }
            }
            let [off, on] = turns.map(|turns| median(&turns));
            table.row(
                &format!(
                    "{what} with row-level security, no cache: rate; processor time a call, server / PostgreSQL"
                ),
                format!("{}; {:.0} / {:.0} µs", rate(on.rate), on.service, on.postgres),
                Some((
                    format!("without {}; {:.0} / {:.0} µs", rate(off.rate), off.service, off.postgres),
                    on.rate / off.rate,
                )),
            );
        }
        self.remove_changed().await
    }

    async fn turn(
        &self,
        service: &Server,
        calls: Calls,
        different: &Arc<Vec<MixedCall>>,
    ) -> Result<Measured> {
        let address = &service.address;
        let callers = match calls {
            Calls::DefaultList => Caller::grpc(address, CALLERS, &self.grpc).await?,
            Calls::DifferentLists => Caller::mixed(address, CALLERS, different).await?,
            Calls::Changes(work) => {
                let target = Target {
                    address: address.clone(),
                    ..self.target.clone()
                };
                // Each turn begins by pausing.
                let running =
                    "UPDATE tasks SET status = 2 WHERE task_id LIKE 'life-%' AND status = 3";
                self.sql.batch_execute(running).await?;
                return self.change(&target, work).await;
            }
        };
        load::closed(callers, self.settings.phase).await
    }
}

/// The median of each figure.
fn median(turns: &[Turn]) -> Turn {
    let of = |figure: fn(&Turn) -> f64| {
        let mut all: Vec<f64> = turns.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Turn {
        rate: of(|turn| turn.rate),
        service: of(|turn| turn.service),
        postgres: of(|turn| turn.postgres),
    }
}
