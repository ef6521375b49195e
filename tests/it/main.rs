//! The tests: a real PostgreSQL, the real server, real clients. One binary, one file for each behaviour.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report
#![allow(unreachable_pub)] // nothing is reachable from a test binary

mod support;

mod access;
mod admin;
mod bulk;
mod bulk_races;
mod clock;
mod connections;
mod console;
mod counts;
mod counts_kept;
mod create;
mod deadlines;
mod dev;
mod document;
mod etags;
mod events;
mod explain;
mod explain_few;
mod explain_targets;
mod export;
mod export_ends;
mod export_import;
mod export_plans;
mod fields;
mod get;
mod idempotency;
mod idempotency_rpcs;
mod import;
mod keys;
mod keys_kept;
mod life;
mod limits;
mod list_errors;
mod list_model;
mod list_pages;
mod migrations;
mod names;
mod outage;
mod output;
mod parameters;
mod permits;
mod reasons;
mod results_model;
mod schedule;
mod secrets;
mod shutdown;
mod target_pages;
mod target_results;
mod target_uploads;
mod terminal_errors;
mod terminal_list;
mod terminal_watch;
mod tokens;
mod transitions;
mod transports;
mod unread;
mod update;
mod uploads_beside;
mod watch;
mod watch_faults;
mod watch_resumed;
mod watch_sse;
