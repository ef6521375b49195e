//! Standard output of the commands that ask a service, and its forms.

use std::{
    io::{ErrorKind, IsTerminal, Write},
    os::fd::AsFd,
};

use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use tokio::{io::Interest, net::unix::pipe::Sender};

use crate::{
    cli::failed,
    error::{Error, Result},
};

/// How to print.
#[derive(Debug, Args)]
pub(in crate::cli) struct Form {
    /// How to print; without it a table on a terminal, ndjson elsewhere
    #[arg(long, env = "OUTBOUND_TASKS_FORMAT", value_enum)]
    format: Option<OutputFormat>,
    /// IANA zone in which bare dates lie, and in which a table shows times; without it that of TZ, else UTC
    #[arg(long, env = "OUTBOUND_TASKS_TIME_ZONE")]
    time_zone: Option<Tz>,
}

/// The forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OutputFormat {
    /// For people
    Table,
    /// One JSON object a line, times in UTC
    Ndjson,
}

impl Form {
    /// The form asked for, or that which suits standard output.
    pub(in crate::cli) fn format(&self) -> OutputFormat {
        self.format
            .unwrap_or_else(|| match std::io::stdout().is_terminal() {
                true => OutputFormat::Table,
                false => OutputFormat::Ndjson,
            })
    }

    /// The zone asked for, or that of the user's shell. TZ may also hold a path or a rule, which name no zone.
    pub(in crate::cli) fn zone(&self) -> Tz {
        let of_shell = || {
            std::env::var("TZ")
                .ok()?
                .trim_start_matches(':')
                .parse()
                .ok()
        };
        self.time_zone.or_else(of_shell).unwrap_or(Tz::UTC)
    }
}

/// Writes to standard output; false where nobody reads it any more, which is the reader's choice and no failure.
pub(in crate::cli) async fn write(bytes: Vec<u8>) -> Result<bool> {
    // Where the reader takes its time, a signal must still be heeded.
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

/// Ends once nobody reads standard output any more, which whoever has nothing to write would not learn otherwise.
pub(in crate::cli) async fn unread() {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
    // Unchecked, as the check would change how it is written to, for all who share it.
    let hung_up = async {
        let stdout = Sender::from_owned_fd_unchecked(stdout?)?;
        stdout.ready(Interest::ERROR).await
    };
    if hung_up.await.is_err() {
        // A file is never unread.
        std::future::pending::<()>().await;
    }
}

/// A line on standard error; where nobody takes it, that is no failure of the command.
pub(in crate::cli) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "outbound-tasks: {line}");
}
