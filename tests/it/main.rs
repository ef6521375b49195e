//! The tests: a real PostgreSQL, the real server, real clients. One binary, one file for each behaviour.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report
#![allow(unreachable_pub)] // nothing is reachable from a test binary

mod support;

mod admin;
mod connections;
mod counts;
mod counts_kept;
mod deadlines;
mod dev;
mod document;
mod explain;
mod explain_few;
mod export;
mod export_ends;
mod export_import;
mod export_plans;
mod fields;
mod get;
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
mod secrets;
mod shutdown;
mod tokens;
mod transports;
