//! The position of a watch in the change log, and the tokens that resume a watch.
//!
//! A watch is level with a snapshot when it has reported everything that the snapshot sees. A large read of the log is
//! reported in several messages. Between two of them the watch is partway: the tasks whose last change in that read has
//! a log_id up to a limit have been reported, the others have not. A watch that is resumed there reads again from the
//! same base, in a later snapshot, and skips what was reported. That read may be interrupted too, so a position can
//! have several such steps.
//!
//! ```text
//! version 3 | filter 8 | database 8 | newest transaction 8 | open transactions, 8 each | mac 16
//! version 4 | filter 8 | database 8 | snapshot | snapshot, log_id 8, once or more | mac 16
//! snapshot: newest transaction 8 | how many are open 2 | open transactions, 8 each
//! ```
//!
//! in base64url, with the MAC of the tokens of `page`; the version distinguishes them. A level position has version 3.

use super::{filter::TaskFilter, fingerprint, order::TaskOrder, page::TokenKey};
use crate::error::Reason;

const LEVEL: u8 = 3;
const PARTWAY: u8 = 4;
const NUMBER_BYTES: usize = 8;
const COUNT_BYTES: usize = 2;
/// Longer than any token of this service: one with a thousand open transactions has 11,000 characters.
const MAX_TOKEN_CHARS: usize = 16 * 1024;
/// The maximum number of steps: how often a watch may be interrupted before it is level, while tasks keep changing.
const MAX_STEPS: usize = 32;
/// The maximum number of open transactions in all steps, so that a token stays below [`MAX_TOKEN_CHARS`].
const MAX_OPEN: usize = 400;

/// The transactions in a tenant's log that a snapshot sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Snapshot {
    /// The highest visible transaction id.
    pub newest: i64,
    /// Lower transaction ids that were open and are therefore invisible.
    pub open: Vec<i64>,
}

/// A part of what a snapshot sees: the tasks whose last change in it has at most this log_id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// The snapshot in which these tasks were read.
    pub snapshot: Snapshot,
    /// The log_id of the last change that was reported.
    pub log_id: i64,
}

/// The part of the change log that a watch has reported.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LogPosition {
    /// Identifies the database that issued the transaction ids.
    pub database: i64,
    /// Everything that this snapshot sees has been reported.
    pub base: Snapshot,
    /// What has been reported beyond the base, in reading order; empty if the position is level.
    pub steps: Vec<Step>,
}

impl LogPosition {
    /// The position after everything that a snapshot sees.
    pub fn level(database: i64, base: Snapshot) -> Self {
        Self {
            database,
            base,
            steps: Vec::new(),
        }
    }

    /// Whether no snapshot has been reported in part.
    pub fn is_level(&self) -> bool {
        self.steps.is_empty()
    }

    /// The position after a read from here, in `snapshot`, has been reported up to the change `log_id`.
    pub fn sent_to(&self, snapshot: &Snapshot, log_id: i64) -> Self {
        let mut position = self.clone();
        match position.steps.last_mut() {
            // The same snapshot as in the previous step, so the step is extended.
            Some(step) if step.snapshot == *snapshot => step.log_id = step.log_id.max(log_id),
            _ => position.steps.push(Step {
                snapshot: snapshot.clone(),
                log_id,
            }),
        }
        position
    }

    /// Whether another step fits into a token. If not, the tasks must be listed again.
    pub fn can_be_continued(&self) -> bool {
        let open = self.steps.iter().map(|step| step.snapshot.open.len());
        self.steps.len() < MAX_STEPS && open.sum::<usize>() < MAX_OPEN
    }
}

impl TokenKey {
    /// The token of a position in the watch of `filter`.
    pub fn seal_watch(&self, filter: &TaskFilter, position: &LogPosition) -> String {
        let LogPosition {
            database,
            base,
            steps,
        } = position;
        let version = match position.is_level() {
            true => LEVEL,
            false => PARTWAY,
        };
        let mut token = vec![version];
        token.extend(filter.fingerprint(TaskOrder::default()));
        token.extend(database.to_be_bytes());
        if position.is_level() {
            for number in std::iter::once(&base.newest).chain(&base.open) {
                token.extend(number.to_be_bytes());
            }
        } else {
            push_snapshot(base, &mut token);
            for Step { snapshot, log_id } in steps {
                push_snapshot(snapshot, &mut token);
                token.extend(log_id.to_be_bytes());
            }
        }
        self.seal_bytes(token)
    }

    /// The position of a token. `filter` must be the one of the token; it is `None` if it is itself invalid.
    pub(super) fn open_watch(
        &self,
        token: &str,
        filter: Option<&TaskFilter>,
    ) -> Result<LogPosition, Reason> {
        let bytes = self.open_bytes(token, MAX_TOKEN_CHARS)?;
        let (version, body) = bytes.split_first().ok_or(Reason::TokenDamaged)?;
        if ![LEVEL, PARTWAY].contains(version) {
            return Err(Reason::TokenVersion {
                advice: "is not a resume_token of this version; begin a new watch without it",
            });
        }
        let (issued_for, body) = body
            .split_first_chunk::<{ fingerprint::BYTES }>()
            .ok_or(Reason::TokenDamaged)?;
        if filter.is_some_and(|f| *issued_for != f.fingerprint(TaskOrder::default())) {
            return Err(Reason::TokenOfAnotherQuery { of: "filter" });
        }
        let position = match *version {
            LEVEL => read_level(body),
            _ => read_partway(body),
        };
        position.ok_or(Reason::TokenDamaged)
    }
}

fn push_snapshot(snapshot: &Snapshot, token: &mut Vec<u8>) {
    let Snapshot { newest, open } = snapshot;
    token.extend(newest.to_be_bytes());
    // A token cannot hold more than fit into two bytes. A truncated one is rejected as damaged.
    token.extend(u16::try_from(open.len()).unwrap_or(u16::MAX).to_be_bytes());
    for number in open {
        token.extend(number.to_be_bytes());
    }
}

fn read_level(body: &[u8]) -> Option<LogPosition> {
    let (numbers, []) = body.as_chunks::<NUMBER_BYTES>() else {
        return None;
    };
    let mut numbers = numbers.iter().map(|n| i64::from_be_bytes(*n));
    Some(LogPosition::level(
        numbers.next()?,
        Snapshot {
            newest: numbers.next()?,
            open: numbers.collect(),
        },
    ))
}

fn read_partway(mut body: &[u8]) -> Option<LogPosition> {
    let body = &mut body;
    let mut position = LogPosition::level(read_number(body)?, read_snapshot(body)?);
    while !body.is_empty() {
        position.steps.push(Step {
            snapshot: read_snapshot(body)?,
            log_id: read_number(body)?,
        });
    }
    Some(position)
}

fn read_snapshot(body: &mut &[u8]) -> Option<Snapshot> {
    let newest = read_number(body)?;
    let (count, rest) = body.split_first_chunk::<COUNT_BYTES>()?;
    *body = rest;
    let count = u16::from_be_bytes(*count);
    let open = (0..count)
        .map(|_| read_number(body))
        .collect::<Option<_>>()?;
    Some(Snapshot { newest, open })
}

fn read_number(body: &mut &[u8]) -> Option<i64> {
    let (number, rest) = body.split_first_chunk::<NUMBER_BYTES>()?;
    *body = rest;
    Some(i64::from_be_bytes(*number))
}
