//! Parses and validates the database URL.
//!
//! The driver's errors do not say what is allowed, and an `@` in a password makes it look for a host in the rest of the
//! password. A URL is therefore checked for these mistakes first. No error repeats a part that may belong to the
//! password.

mod pairs;
mod parameters;

use std::str::FromStr;

use tokio_postgres::{Config, config::ChannelBinding};

use self::parameters::{Found, bad_usage};
use super::{
    address::Hosts,
    tls::{Mode, TlsParameters},
};
use crate::error::Result;

/// The general form of a URL, as an error text.
const FORM: &str =
    "--database-url must name a server, such as postgresql://user:password@host:5432/database";

/// A checked database URL.
#[derive(Debug)]
pub(super) struct DatabaseUrl {
    /// What the driver needs at every connection.
    pub(super) config: Config,
    /// The options of the startup message. They are apart, because a connection pooler may refuse them.
    pub(super) options: String,
    pub(super) tls: TlsParameters,
}

/// BAD_USAGE with the reason unless `url` names a server and contains only known parameters. Files that it names are not
/// read.
pub fn check(url: &str) -> Result<()> {
    parse(url).map(drop)
}

/// What a URL leads to, without its password: hosts, database, user and `sslmode`. Errors as [`check`].
pub fn summary(url: &str) -> Result<String> {
    let DatabaseUrl { config, tls, .. } = parse(url)?;
    let hosts = Hosts::of(&config);
    let hosts: Vec<String> = hosts.listed().map(ToString::to_string).collect();
    let mode: &str = tls.mode.into();
    let user = config.get_user().unwrap_or("that of the system");
    Ok(format!(
        "{}; database {}, user {user}, sslmode={mode}, {} password",
        hosts.join(", "),
        config.get_dbname().unwrap_or("of the user's name"),
        match config.get_password() {
            Some(_) => "with a",
            None => "without a",
        }
    ))
}

/// Parses a PostgreSQL URL or a `key=value` string. BAD_USAGE with the reason unless it names a server and contains
/// only known parameters.
pub(super) fn parse(url: &str) -> Result<DatabaseUrl> {
    let after_scheme = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = after_scheme else {
        return parse_pairs(url);
    };
    let cut_password = || {
        bad_usage(
            "--database-url has more than one \"@\"; percent-encode those in the user, the password and the database \
            name as %40 (and / as %2F, ? as %3F, # as %23, % as %25)",
        )
    };
    if has_cut_password(rest) {
        return Err(cut_password());
    }
    let (before, query) = match behind_password(rest).split_once('?') {
        Some((_, query)) => (url.strip_suffix(query).unwrap_or(url), query),
        None => (url, ""),
    };
    let mut found = Found::default();
    let mut of_driver = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        let checked = parameters::check(&name, &value);
        // If an @ follows, the parameter may be part of the password and must not be repeated.
        match behind_password(rest).contains('@') {
            true => checked.map_err(|_| cut_password())?,
            false => checked?,
        }
        if !found.take(&name, &value) {
            of_driver.push(pair);
        }
    }
    let of_driver = format!("{before}{}", of_driver.join("&"));
    finish(Config::from_str(&of_driver), found)
}

/// Parses the form `host=… user=…`.
fn parse_pairs(text: &str) -> Result<DatabaseUrl> {
    if text.contains("://") || !text.contains('=') {
        return Err(bad_usage(FORM));
    }
    let Some(mut pairs) = pairs::split(text) else {
        // The driver's parser says why.
        return finish(Config::from_str(text), Found::default());
    };
    let mut found = Found::default();
    for (name, value) in &pairs {
        parameters::check(name, value)?;
    }
    pairs.retain(|(name, value)| !found.take(name, value));
    finish(Config::from_str(&pairs::join(pairs.iter())), found)
}

/// Checks that the parsed configuration names a server, and that the numbers of hosts and ports match.
fn finish(config: Result<Config, tokio_postgres::Error>, found: Found) -> Result<DatabaseUrl> {
    let config = config.map_err(|error| {
        // The driver's cause names the parameter but no value.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        bad_usage(format!(
            "{FORM}, with @ / ? # % in the password percent-encoded: {}",
            cause.unwrap_or_default()
        ))
    })?;
    let names_server = !(config.get_hosts().is_empty() && config.get_hostaddrs().is_empty());
    if !names_server {
        return Err(bad_usage(FORM));
    }
    if config.get_ports().len() > 1
        && config.get_ports().len() != config.get_hosts().len().max(config.get_hostaddrs().len())
    {
        return Err(bad_usage(
            "--database-url must name one port, or one for each host",
        ));
    }
    let options = found.options.clone();
    let tls = found.finish()?;
    if tls.mode == Mode::Disable && config.get_channel_binding() == ChannelBinding::Require {
        return Err(bad_usage(
            "--database-url has channel_binding=require with sslmode=disable, which must be prefer or require or \
            verify-ca or verify-full",
        ));
    }
    Ok(DatabaseUrl {
        config,
        options,
        tls,
    })
}

/// A name or a value without its percent encoding.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// The part after user and password. As in the driver, they end at the first `@`.
fn behind_password(rest: &str) -> &str {
    rest.split_once('@').map_or(rest, |(_, behind)| behind)
}

/// Whether an unencoded `@` in the password ended it early: then another `@` follows, which hosts cannot contain.
fn has_cut_password(rest: &str) -> bool {
    let before_parameters = behind_password(rest).split('?').next();
    before_parameters.is_some_and(|text| text.contains('@'))
}
