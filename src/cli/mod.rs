//! The commands of the program. Exit codes: 0 success, 1 failure, 2 incorrect usage (as clap's own).

mod client;
mod config;
mod counts;
mod dev;
mod export;
mod filter;
mod import;
mod import_report;
mod import_terminal;
mod keys;
mod list;
mod manual;
mod migrate;
mod probe;
mod read_options;
mod serve;
mod targets;
mod tenants;
mod terminal;
mod values;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::{client::harmless, terminal::note};
use crate::{
    config::{Logging, Parsed},
    error::{Error, ErrorKind},
    telemetry,
};

/// Lists the outbound-call tasks of call centres over gRPC, gRPC-Web and HTTP, from PostgreSQL
#[derive(Debug, Parser)]
#[command(name = "outbound-tasks", version = VERSION)]
struct Arguments {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Command,
}

/// The version and the commit, as far as the build knew it.
const VERSION: &str = match env!("SOURCE_COMMIT").is_empty() {
    true => env!("CARGO_PKG_VERSION"),
    false => concat!(env!("CARGO_PKG_VERSION"), " (", env!("SOURCE_COMMIT"), ")"),
};

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    Migrate(migrate::Migrate),
    Tenants(tenants::Tenants),
    Keys(keys::Keys),
    Import(import::Import),
    Targets(targets::Targets),
    Export(export::Export),
    Counts(counts::Counts),
    List(list::List),
    Watch(watch::Watch),
    Config(config::Config),
    Probe(probe::Probe),
    /// For packages; people have --help.
    #[command(hide = true)]
    Manual(manual::Manual),
}

/// The definition of every command and setting, from which the reference in `docs/` is made.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program: parses the arguments, starts logging, runs the command.
pub fn run() -> ExitCode {
    // Wrong usage ends the program here, with clap's message and the exit code 2.
    let parsed = crate::config::parse(command(), std::env::args_os().collect());
    let parsed: Parsed = parsed.unwrap_or_else(|error| error.exit());
    let arguments = Arguments::from_arg_matches(&parsed.matches);
    let Arguments { logging, command } =
        arguments.unwrap_or_else(|error| error.format(&mut self::command()).exit());
    if let Err(why) = telemetry::start_logging(&logging.log, logging.log_format) {
        note(&why);
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            note(&format!("the runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match command {
            Command::Dev(command) => command.run().await,
            Command::Serve(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::Tenants(command) => command.run().await,
            Command::Keys(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Targets(command) => command.run().await,
            Command::Export(command) => command.run().await,
            Command::Counts(command) => command.run().await,
            Command::List(command) => command.run().await,
            Command::Watch(command) => command.run().await,
            Command::Probe(command) => command.run().await,
            Command::Manual(command) => command.run(&self::command()),
            Command::Config(command) => command.run(self::command(), &parsed).await,
        }
    });
    // Does not wait for a blocking read of standard input.
    runtime.shutdown_background();
    telemetry::end_logging();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&for_operator(&error));
            match error.kind() {
                ErrorKind::BadUsage => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// The error with its internal cause, which operators may see. The cause may be the text of a server that nobody has
/// checked, so nothing in it reaches the terminal as a control character.
fn for_operator(error: &Error) -> String {
    let cause = error
        .internal_cause()
        .map(|cause| harmless(&cause.replace('\n', "; ")));
    match (cause, error.kind()) {
        // The public message refers to the log, which the terminal makes unnecessary.
        (Some(cause), ErrorKind::Internal) => format!("the command failed: {cause}"),
        (Some(cause), _) => format!("{error}: {cause}"),
        (None, _) => error.to_string(),
    }
}
