//! `outbound-tasks watch`.

use std::time::Duration;

use clap::Args;
use tokio::time::{sleep, timeout};

use super::{
    client::{Connector, Filters, Form, mask, retry, unread},
    terminal::note,
};
use crate::{
    config::Service,
    error::{Error, ErrorKind, Result},
    grpc::filter_message,
    pb::{TaskFilter, WatchOutboundTasksRequest},
};

mod printer;

use self::printer::Printer;

/// A watch without a message for this long is considered broken; the service sends a heartbeat every 10 s.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Print tasks as they are created, change and disappear, until stopped
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    service: Service,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    form: Form,
    /// Skip the existing tasks and print only changes from now on
    #[arg(long)]
    no_initial: bool,
}

impl Watch {
    pub(super) async fn run(self) -> Result<()> {
        let zone = self.form.zone();
        let filter = filter_message(&self.filters.check(zone)?);
        let following = Following {
            connector: Connector::new(&self.service)?,
            printer: Printer::new(&self.form, zone, &self.filters),
            command: self,
            filter,
            token: String::new(),
            has_printed: false,
            was_reached: false,
            was_answered: false,
        };
        let stop = super::serve::stop_signal()?;
        tokio::select! {
            ended = following.follow() => ended,
            () = stop => Ok(()),
            () = unread() => Ok(()),
        }
    }
}

/// A watch across reconnections.
struct Following {
    command: Watch,
    connector: Connector,
    printer: Printer,
    filter: TaskFilter,
    /// The token to resume from; empty to begin again.
    token: String,
    /// Whether changes were printed that a new beginning would invalidate.
    has_printed: bool,
    /// Whether a connection ever succeeded. A failure before that is final: the address is probably wrong.
    was_reached: bool,
    /// Whether a message ever came.
    was_answered: bool,
}

/// Why the watch of one connection ended while the command continues.
enum End {
    /// The service cannot resume; the watch begins again.
    ListAgain,
    /// The connection broke, or the service is unavailable and asks for this pause.
    Broken(Error, Duration),
    /// Standard output was closed.
    Unread,
}

impl Following {
    async fn follow(mut self) -> Result<()> {
        let mut attempts = Attempts::default();
        loop {
            let pause = match self.watch_once(&mut attempts).await? {
                End::Unread => return Ok(()),
                End::ListAgain => attempts.pause(Duration::ZERO),
                End::Broken(why, at_least) => {
                    // Services end watches regularly; an immediate resumption is not worth a message.
                    if attempts.failed > 0 && !attempts.is_said {
                        note(&format!(
                            "the watch was interrupted and will be retried: {}",
                            super::for_operator(&why)
                        ));
                        attempts.is_said = true;
                    }
                    // Without a token, the next watch begins again and does not report what was removed meanwhile.
                    if self.token.is_empty() && self.has_printed && !self.list_again().await? {
                        return Ok(());
                    }
                    attempts.pause(at_least)
                }
            };
            sleep(pause).await;
        }
    }

    /// Runs one watch on a new connection, because a broken connection can appear intact for a long time.
    async fn watch_once(&mut self, attempts: &mut Attempts) -> Result<End> {
        let mut client = match self.connector.connect().await {
            Ok(client) => client,
            Err(why) if self.was_reached => return Ok(End::Broken(why, Duration::ZERO)),
            Err(why) => return Err(why),
        };
        self.was_reached = true;
        let request = WatchOutboundTasksRequest {
            filter: Some(self.filter.clone()),
            skip_initial: self.command.no_initial,
            resume_token: self.token.clone(),
            target_limit: self.command.filters.target_limit,
            read_mask: mask(self.printer.fields()),
        };
        let silent = || {
            let why = Error::new(ErrorKind::Unavailable, "the service sent no heartbeat");
            Ok(End::Broken(why, Duration::ZERO))
        };
        let mut messages = match timeout(SILENCE, client.watch_outbound_tasks(request)).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return self.broken(&status),
            Err(_) => return silent(),
        };
        loop {
            let message = match timeout(SILENCE, messages.message()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => {
                    let why = Error::new(ErrorKind::Unavailable, "the service ended the watch");
                    return Ok(End::Broken(why, Duration::ZERO));
                }
                Ok(Err(status)) => return self.broken(&status),
                Err(_) => return silent(),
            };
            attempts.succeed();
            self.was_answered = true;
            // The service could not resume and began again, so what was printed is no longer valid.
            if message.fresh && self.has_printed && !self.list_again().await? {
                return Ok(End::Unread);
            }
            if !self.printer.print(&message).await? {
                return Ok(End::Unread);
            }
            if message.list_again {
                return Ok(match self.list_again().await? {
                    true => End::ListAgain,
                    false => End::Unread,
                });
            }
            self.has_printed |= !message.changes.is_empty();
            self.token = message.resume_token;
        }
    }

    /// Classifies a failed watch: final, or to be retried after a pause.
    fn broken(&self, status: &tonic::Status) -> Result<End> {
        let why = self.connector.refused(status, self.was_answered);
        match retry(status, self.was_answered) {
            Some(at_least) => Ok(End::Broken(why, at_least)),
            None => Err(why),
        }
    }

    /// Prints that earlier output is no longer valid; false if standard output was closed.
    async fn list_again(&mut self) -> Result<bool> {
        self.token.clear();
        self.has_printed = false;
        self.printer.list_again().await
    }
}

/// The failed attempts since the last successful one.
#[derive(Default)]
struct Attempts {
    failed: u32,
    /// Whether the user has been informed.
    is_said: bool,
}

impl Attempts {
    fn succeed(&mut self) {
        if std::mem::take(self).is_said {
            note("watching again");
        }
    }

    /// The pause before the next attempt: exponential back-off with jitter, at least `at_least`.
    fn pause(&mut self, at_least: Duration) -> Duration {
        let most = Duration::from_millis(200 << self.failed.min(10)).min(MAX_PAUSE);
        self.failed += 1;
        // If the system has no randomness, all clients use the longest pause, without jitter.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let part = f64::from(random) / f64::from(u32::MAX);
        at_least.min(MAX_PAUSE).max(most / 2) + (most / 2).mul_f64(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_seconds_and_differ() {
        let mut attempts = Attempts::default();
        let pauses: Vec<Duration> = (0..40).map(|_| attempts.pause(Duration::ZERO)).collect();
        assert!(pauses[0] <= Duration::from_millis(200));
        assert!(
            pauses[10..]
                .iter()
                .all(|p| (MAX_PAUSE / 2..=MAX_PAUSE).contains(p))
        );
        assert!(pauses[10..].windows(2).any(|p| p[0] != p[1]));
        let pause = attempts.pause(Duration::from_secs(7));
        assert!(pause >= Duration::from_secs(7));
    }
}
