//! `outbound-tasks watch`.

use std::time::Duration;

use clap::Args;
use tokio::time::{sleep, timeout};

use super::client::{Connector, Filters, Form, mask, refused, retry, tell, unread};
use crate::{
    config::Service,
    error::{Error, ErrorKind, Result},
    pb::{TaskFilter, WatchOutboundTasksRequest},
};

mod printer;

use self::printer::Printer;

/// A watch that tells nothing for so long is dead: there is a heartbeat every 10 s.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Tell of tasks as they come, change and go, until stopped
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    service: Service,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    form: Form,
    /// Not the tasks that there are, only what happens from now on
    #[arg(long)]
    no_initial: bool,
}

impl Watch {
    pub(super) async fn run(self) -> Result<()> {
        let filter = self.filters.check(self.form.zone())?;
        let following = Following {
            connector: Connector::new(&self.service)?,
            printer: Printer::new(&self.form, &self.filters),
            command: self,
            filter,
            token: String::new(),
            has_told: false,
            was_reached: false,
        };
        let stop = super::serve::stop_signal()?;
        tokio::select! {
            ended = following.follow() => ended,
            () = stop => Ok(()),
            () = unread() => Ok(()),
        }
    }
}

/// A watch over however many connections it takes.
struct Following {
    command: Watch,
    connector: Connector,
    printer: Printer,
    filter: TaskFilter,
    /// Where to go on; empty to begin anew.
    token: String,
    /// Whether there is anything that was told and that a new beginning takes back.
    has_told: bool,
    /// Whether there ever was a connection: without one the address is more likely wrong than the service away.
    was_reached: bool,
}

/// Why a connection's watch ended, and the command's need not.
enum End {
    /// The service no longer knows what came next.
    ListAgain,
    /// The connection broke, or the service cannot answer now and wants to be left alone for a while.
    Broken(Error, Duration),
    /// Nobody reads standard output any more.
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
                    // A service ends watches now and then; one that goes on at once has nothing to tell.
                    if attempts.failed > 0 && !attempts.is_said {
                        tell(&format!(
                            "the watch broke off and is tried again: {}",
                            super::for_operator(&why)
                        ));
                        attempts.is_said = true;
                    }
                    // Without a token the next watch begins anew, and does not tell what went meanwhile.
                    if self.token.is_empty() && self.has_told && !self.list_again().await? {
                        return Ok(());
                    }
                    attempts.pause(at_least)
                }
            };
            sleep(pause).await;
        }
    }

    /// One watch over one connection of its own: a broken one may look whole for long.
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
            let why = Error::new(ErrorKind::Unavailable, "the service fell silent");
            Ok(End::Broken(why, Duration::ZERO))
        };
        let mut messages = match timeout(SILENCE, client.watch_outbound_tasks(request)).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return broken(&status),
            Err(_) => return silent(),
        };
        loop {
            let message = match timeout(SILENCE, messages.message()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => {
                    let why = Error::new(ErrorKind::Unavailable, "the service ended it");
                    return Ok(End::Broken(why, Duration::ZERO));
                }
                Ok(Err(status)) => return broken(&status),
                Err(_) => return silent(),
            };
            attempts.succeed();
            // What was told before does not hold, whatever it was.
            if message.fresh && self.has_told && !self.list_again().await? {
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
            self.has_told |= !message.changes.is_empty();
            self.token = message.resume_token;
        }
    }

    /// Tells that what was told so far is not to be relied on; false where nobody reads it.
    async fn list_again(&mut self) -> Result<bool> {
        self.token.clear();
        self.has_told = false;
        self.printer.list_again().await
    }
}

/// A watch that failed: for good, or until the next attempt.
fn broken(status: &tonic::Status) -> Result<End> {
    let why = refused(status);
    match retry(status) {
        Some(at_least) => Ok(End::Broken(why, at_least)),
        None => Err(why),
    }
}

/// The attempts since the last one that came to something.
#[derive(Default)]
struct Attempts {
    failed: u32,
    /// Once is enough.
    is_said: bool,
}

impl Attempts {
    fn succeed(&mut self) {
        if std::mem::take(self).is_said {
            tell("watching again");
        }
    }

    /// How long to wait: longer each time, and never as long as all others who lost the same service.
    fn pause(&mut self, at_least: Duration) -> Duration {
        let most = Duration::from_millis(200 << self.failed.min(10)).min(MAX_PAUSE);
        self.failed += 1;
        // Without random numbers everybody waits as long, and that is all.
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
        let told = attempts.pause(Duration::from_secs(7));
        assert!(told >= Duration::from_secs(7));
    }
}
