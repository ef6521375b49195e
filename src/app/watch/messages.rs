//! The messages of a watch: initial tasks, and reads of the change log, cut into pieces.

use std::{
    collections::VecDeque,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::state::{Phase, Sending, Watch, WatchChange, WatchMessage};
use crate::{
    db::Batch,
    domain::watch::{ChangeKind, LogPosition},
};

/// About how many bytes one message holds; at least one task. It is the flow-control window of a stream, and a quarter
/// of a message of an export: thousands of watches may send at a time, but few exports.
pub(super) const MESSAGE_BYTES: usize = 64 * 1024;
/// How often a watch that is behind sends a message, even if its filter matches none of the changes.
const SIGN: Duration = Duration::from_secs(10);
/// How many emptied reads in a row a watch that is behind repeats before it must list its tasks again.
const CROWDED_OUT: u32 = 3;

impl Watch {
    /// A message about the next changes of a read; `None` if the filter matches none.
    pub(super) fn next_changes(&mut self, Sending { read, next }: Sending) -> Option<WatchMessage> {
        // Bytes and not reads are counted, since reads differ in size by a factor of thousands.
        let is_late = match &self.phase {
            Phase::Live(live) => live.published.load(Relaxed) - live.taken > live.limit,
            _ => false,
        };
        let content = match read.content() {
            Some(content) if !is_late => content,
            // A watch that is behind can repeat its read.
            None if !matches!(self.phase, Phase::Live(_)) && self.crowded_out < CROWDED_OUT => {
                self.crowded_out += 1;
                self.phase = Phase::Behind;
                return None;
            }
            _ => return Some(self.list_again()),
        };
        let mut writer = content.writer(&*self.form, self.target_limit);
        let (mut changes, mut bytes) = (Vec::new(), 0);
        let mut rest = None;
        for (index, change) in content.changes.iter().enumerate().skip(next) {
            let Some(kind) = self.filter.kind(change) else {
                continue;
            };
            let written = writer.write(index, kind);
            // A change that is larger than a message on its own is sent alone.
            if bytes + written.len() > MESSAGE_BYTES && !changes.is_empty() {
                rest = Some(index);
                break;
            }
            bytes += written.len();
            changes.push((change.log_id, kind, written));
        }
        read.note_written(writer.added);
        let last = changes.len().checked_sub(1);
        // In the middle of a read the token names the last change that was sent, and there is no
        // time up to which everything is sent.
        let (position, as_of) = match (rest, last) {
            (Some(_), Some(last)) => {
                let log_id = changes[last].0;
                (read.from.sent_to(&read.snapshot, log_id), None)
            }
            _ => {
                let as_of = read.position.is_level().then_some(read.as_of);
                (read.position.clone(), as_of)
            }
        };
        let key = &self.caller.token_key;
        let seal = |position: &LogPosition| match self.form.has_tokens() {
            true => key.seal_watch(self.filter.filter(), position),
            false => String::new(),
        };
        let changes: Vec<WatchChange> = changes
            .into_iter()
            .enumerate()
            .map(|(index, (log_id, kind, written))| WatchChange {
                kind,
                written,
                resume_token: match Some(index) == last {
                    true => seal(&position),
                    false => seal(&read.from.sent_to(&read.snapshot, log_id)),
                },
            })
            .collect();
        self.position = position;
        self.as_of = as_of;
        if let Some(next) = rest {
            self.sending = Some(Sending { read, next });
        }
        // A watch that has joined says so, even without a change.
        let is_let_in = !self.is_level && matches!(self.phase, Phase::Live(_));
        let is_news = is_let_in || (!self.is_level && self.sent.elapsed() >= SIGN);
        (is_news || !changes.is_empty()).then(|| self.message(changes))
    }

    /// Encodes initial tasks.
    pub(super) fn written(&self, batch: Batch) -> VecDeque<WatchChange> {
        let changes = batch.into_iter().map(|exported| {
            let task_id = exported.task.task_id.clone();
            let kind = ChangeKind::Initial;
            WatchChange {
                kind,
                written: self.form.write(kind, &task_id, Some(exported.task)),
                resume_token: String::new(),
            }
        });
        changes.collect()
    }

    /// A message with the next initial tasks.
    pub(super) fn next_initial(&mut self) -> WatchMessage {
        let (mut changes, mut bytes) = (Vec::new(), 0);
        while let Some(change) = self.unsent.front()
            && (changes.is_empty() || bytes + change.written.len() <= MESSAGE_BYTES)
        {
            bytes += change.written.len();
            changes.extend(self.unsent.pop_front());
        }
        WatchMessage {
            changes,
            fresh: std::mem::take(&mut self.is_fresh),
            ..WatchMessage::default()
        }
    }

    /// A message about `changes`, after which the watch continues.
    pub(super) fn message(&mut self, changes: Vec<WatchChange>) -> WatchMessage {
        self.quiet = 0;
        self.crowded_out = 0;
        self.sent = Instant::now();
        self.is_level = self.as_of.is_some();
        let key = &self.caller.token_key;
        WatchMessage {
            changes,
            resume_token: key.seal_watch(self.filter.filter(), &self.position),
            as_of: self.as_of,
            list_again: false,
            fresh: std::mem::take(&mut self.is_fresh),
        }
    }

    /// The last message: the client must list its tasks again.
    pub(super) fn list_again(&mut self) -> WatchMessage {
        self.phase = Phase::Ended;
        (self.app.counted.watches_dropped).fetch_add(1, Relaxed);
        WatchMessage {
            list_again: true,
            ..WatchMessage::default()
        }
    }
}
