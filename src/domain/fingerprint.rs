//! Short hashes that bind a token to the query that it was issued for.
//!
//! A hash is the first 8 bytes of SHA-256. What goes into it must not change: clients keep tokens of earlier releases.

use sha2::{Digest, Sha256};

use super::filter::{Condition, DateFilter, TaskFilter, TaskOrder};

/// A hash of a query.
pub(super) type Fingerprint = [u8; BYTES];

/// The length of a [`Fingerprint`].
pub(super) const BYTES: usize = 8;

/// The hash of a list of tasks, whatever words its filter and order were written in.
pub(super) fn of_list(filter: &TaskFilter, order: TaskOrder) -> Fingerprint {
    let TaskOrder { by, direction } = order;
    let status_bits = filter.conditions().find_map(|condition| match condition {
        Condition::Status(statuses) => Some(statuses.bits()),
        _ => None,
    });
    let mut hash = Sha256::new();
    hash.update([by as u8, direction as u8, status_bits.unwrap_or(0)]);
    for condition in filter.conditions() {
        // Each condition stands behind a number of its kind, and each text behind its length, so that no two filters
        // come to the same bytes. The kinds from 16 on are beyond the numbers of the date fields.
        match condition {
            // In the third byte already.
            Condition::Status(_) => {}
            Condition::Date(DateFilter { field, range }) => {
                hash.update([field as u8]);
                let (start, end) = range.bounds();
                for bound in [start, end] {
                    hash.update([u8::from(bound.is_some())]);
                    hash.update(bound.map_or(0, |t| t.timestamp_micros()).to_be_bytes());
                }
            }
            Condition::Customer(customer_id) => {
                hash.update([16]);
                add_text(customer_id, &mut hash);
            }
            Condition::NamePart(part) => {
                hash.update([17]);
                add_text(part, &mut hash);
            }
            Condition::Id(task_ids) => {
                for task_id in task_ids.as_slice() {
                    hash.update([18]);
                    add_text(task_id, &mut hash);
                }
            }
        }
    }
    cut(hash)
}

/// The hash of a list that a few words describe: what it lists, of which task, how.
pub(super) fn of_words(words: &[&str]) -> Fingerprint {
    let mut hash = Sha256::new();
    for word in words {
        add_text(word, &mut hash);
    }
    cut(hash)
}

fn add_text(text: &str, hash: &mut Sha256) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

fn cut(hash: Sha256) -> Fingerprint {
    let full: [u8; 32] = hash.finalize().into();
    let (cut, _) = full.split_first_chunk().expect("32 bytes hold 8");
    *cut
}
