//! Plain types and rules, no I/O: what a task, a filter, a page, a key are and which values they may hold.

pub mod action;
pub mod date_range;
pub mod event;
pub mod export;
pub mod fields;
pub mod filter;
mod fingerprint;
pub mod get;
pub mod idempotency;
pub mod key;
pub mod limits;
pub mod list;
pub mod number_token;
pub mod order;
pub mod own_reason;
pub mod page;
pub mod status;
pub mod target;
pub mod task;
pub mod tenant;
pub mod text;
pub mod time;
pub mod watch;
pub mod watch_token;
pub mod words;
pub mod write;
