//! Output formats of the commands that call a service, and writing to standard output.

use std::{
    io::{ErrorKind, IsTerminal, Write},
    os::fd::AsFd,
};

use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use tokio::{io::Interest, net::unix::pipe::Sender};

use crate::{
    cli::terminal::{failed, note},
    config::zone,
    error::{Error, Result},
};

/// The flags for the output.
#[derive(Debug, Args)]
pub(in crate::cli) struct Form {
    /// Output format; by default a table on a terminal, else ndjson
    #[arg(long, env = "OUTBOUND_TASKS_FORMAT", value_enum)]
    format: Option<OutputFormat>,
    /// IANA time zone of bare dates and of times in tables; by default the one in TZ, else UTC
    #[arg(long, env = "OUTBOUND_TASKS_TIME_ZONE", value_parser = zone)]
    time_zone: Option<Tz>,
}

/// The output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OutputFormat {
    /// A table for people
    Table,
    /// One JSON object per line, with times in UTC
    Ndjson,
}

impl Form {
    /// The selected format, or the one that suits standard output.
    pub(in crate::cli) fn format(&self) -> OutputFormat {
        self.format
            .unwrap_or_else(|| match std::io::stdout().is_terminal() {
                true => OutputFormat::Table,
                false => OutputFormat::Ndjson,
            })
    }

    /// The selected zone, or the one in TZ. TZ may also contain a path or a rule, which is reported and ignored.
    pub(in crate::cli) fn zone(&self) -> Tz {
        let of_shell = || {
            let given = std::env::var("TZ").ok().filter(|name| !name.is_empty())?;
            let name = given.trim_start_matches(':');
            let name = name.strip_prefix("/usr/share/zoneinfo/").unwrap_or(name);
            let zone = name.parse().ok();
            if zone.is_none() {
                note(&format!(
                    "TZ={given} is no IANA name, so dates and times are in UTC"
                ));
            }
            zone
        };
        self.time_zone.or_else(of_shell).unwrap_or(Tz::UTC)
    }
}

/// Writes to standard output; false if it was closed, which is not an error.
pub(in crate::cli) async fn write(bytes: Vec<u8>) -> Result<bool> {
    // A blocking task, so that signals are still handled while the reader is slow.
    let written = tokio::task::spawn_blocking(move || {
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()
    });
    match written.await.map_err(Error::internal)? {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(failed("standard output", error)),
    }
}

/// Resolves when standard output is closed, for commands that may have nothing to write for a long time.
pub(in crate::cli) async fn unread() {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
    // Unchecked, because the check would make the pipe non-blocking for all processes that share it.
    let hung_up = async {
        let stdout = Sender::from_owned_fd_unchecked(stdout?)?;
        stdout.ready(Interest::ERROR).await
    };
    if hung_up.await.is_err() {
        // Standard output is a file, which never closes.
        std::future::pending::<()>().await;
    }
}
