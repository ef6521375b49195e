//! Writes: what a transport parses, and the rules that its values must follow.
//!
//! Each write has two types. A [`Command`] holds the values as the caller sent them; a transport
//! fills it from its message. [`Command::validate`] returns the checked form, with every violation
//! of the request in one error. Only the application calls it, so all transports are held to the
//! same rules.

mod action;
mod copy;
mod create;
mod rules;
mod targets;
mod update;

pub use action::{
    BulkAction, BulkChange, DeleteTask, MAX_BULK_TASKS, MAX_REASON_CHARS, Refused, Transition,
};
pub use copy::{CheckedCopy, CopyTask};
pub use create::{CheckedTask, CreateTasks, MAX_NEW_TASKS, NewTasks, TaskDraft};
pub use rules::{Command, check_etag, valid};
pub use targets::{RemoveTargets, ReportResults, ReportedResults, ResultDraft, TargetPart};
pub use update::{ParsedTime, TaskUpdate, UpdateTask, UpdatedValues};
