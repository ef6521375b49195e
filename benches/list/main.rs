//! How fast is the list? Requests per second and latency of a page of 20 tasks with its total, over gRPC and JSON,
//! compared with two floors measured in the same run: pgbench with the same SQL, and a server with a ready-made answer.
//!
//! `cargo bench --bench list` starts a private PostgreSQL, fills it, starts the real program in a process of its own,
//! and prints a Markdown table. The load comes from this process ([`load`]), which checks every answer ([`client`]).
//! The run fails on a wrong answer, never on a slow one. The speed of a shared machine varies from minute to minute, so
//! service and floors alternate at each number of callers, and the best of each counts. Nothing leaves the loopback
//! interface, and every process ends with this one.
//!
//! Settings, from the environment or as arguments after `--`: `TASKS=100000`, `SEED=1`, `MEASURE_SECONDS=5`, and
//! `ONLY=pages,names` for some of the parts alone ([`Part`](run::Part)). With `ROW_SECURITY=on` the service connects as a
//! role that row-level security restricts; the part `row_security` compares both in alternation. With `BENCH_DATABASE_URL` the run uses your own
//! server on this machine, and measures the tasks that an earlier run has filled it with.

mod cached;
mod changes;
mod client;
mod console;
mod data;
mod default_list;
mod desk;
mod exports;
mod fairness;
mod floors;
mod guards;
mod imports;
mod lists;
mod load;
mod mixed;
mod overload;
mod pages;
mod peaks;
mod ready_made;
mod row_security;
mod run;
mod service;
mod table;
mod totals;
mod watches;
mod writers;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use outbound_tasks::embedded::{Durability, Embedded};
use strum::VariantArray;
use tokio::signal::unix::{SignalKind, signal};

use load::Phase;
use run::Part;

/// The result of most functions here. Its errors are read by people.
pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The settings of a run.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Number of the tenant's tasks.
    pub(crate) tasks: i64,
    /// The seed of the generated rows.
    pub(crate) seed: i64,
    /// Duration of a main phase. Other phases take half of it.
    pub(crate) phase: Phase,
    /// Whether row-level security restricts the service's role.
    pub(crate) row_security: bool,
    /// The parts to measure.
    pub(crate) parts: Vec<Part>,
}

impl Settings {
    fn read() -> Result<Self> {
        let tasks = setting("TASKS", 100_000)?;
        if !(1_000..=i64::from(i32::MAX)).contains(&tasks) {
            return Err("TASKS must be at least 1000 and fit the contract's total".into());
        }
        let parts = match text("ONLY") {
            None => Part::VARIANTS.to_vec(),
            Some(names) => names
                .split(',')
                .map(|name| {
                    name.parse()
                        .map_err(|_| format!("ONLY: there is no part {name}"))
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(Self {
            parts,
            row_security: match text("ROW_SECURITY").as_deref() {
                None | Some("off") => false,
                Some("on") => true,
                Some(other) => {
                    return Err(format!("ROW_SECURITY must be on or off, was {other}").into());
                }
            },
            tasks,
            seed: setting("SEED", 1)?,
            phase: Phase {
                warm_up: Duration::from_secs(1),
                measure: Duration::from_secs(setting("MEASURE_SECONDS", 5)?.clamp(1, 600) as u64),
            },
        })
    }
}

/// A setting, from the argument `NAME=value` or from the environment.
fn text(name: &str) -> Option<String> {
    let argument =
        std::env::args().find_map(|a| Some(a.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
    argument.or_else(|| std::env::var(name).ok())
}

/// The same as a number.
fn setting(name: &str, default: i64) -> Result<i64> {
    match text(name) {
        Some(text) => text
            .parse()
            .map_err(|_| format!("{name} must be a number, was {text}").into()),
        None => Ok(default),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match (runtime, arguments.as_slice()) {
        (Err(error), _) => Err(error.into()),
        (Ok(runtime), [first, file]) if first == ready_made::ARGUMENT => {
            let done = runtime.block_on(ready_made::run(Path::new(file)));
            runtime.shutdown_background();
            done
        }
        // `cargo test --all-targets` runs benchmarks too, without this argument.
        (Ok(runtime), all) if all.iter().any(|a| a == "--bench") => {
            let done = runtime.block_on(until_signal(bench()));
            runtime.shutdown_background();
            done
        }
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench list: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `work`. A signal from the user drops it, and with it every process that it started.
async fn until_signal(work: impl Future<Output = Result<()>>) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

async fn bench() -> Result<()> {
    let settings = Settings::read()?;
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-list");
    let done = match std::env::var("BENCH_DATABASE_URL") {
        Ok(url) => {
            std::fs::create_dir_all(&dir)?;
            run::run(&settings, url, &dir).await
        }
        Err(_) => {
            // Over TCP too, for TLS to PostgreSQL.
            let address = service::free_address().await?;
            let (host, port) = address.rsplit_once(':').ok_or("an address has a port")?;
            let over_tcp = [format!("listen_addresses={host}"), format!("port={port}")];
            let postgres = Embedded::start_with(&dir, Durability::Throwaway, &over_tcp).await?;
            let url = postgres.url(run::DATABASE);
            let url = url.replace("port=5432", &format!("port={port}"));
            let done = run::run(&settings, url, &dir).await;
            postgres.stop().await?;
            done
        }
    };
    println!("{}", done?);
    // Not deleted after a failure, since it has the service's log.
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
