//! The password of a database URL that has none, as libpq takes it from `PGPASSWORD` and `PGPASSFILE`.
//!
//! A password file is read before each new connection, so that a changed password needs no restart.

use std::{io, path::PathBuf};

use tokio_postgres::Config;

use super::address::Address;
use crate::{
    error::{Error, ErrorKind, Result},
    secret_file,
};

/// The password for a URL without one.
#[derive(Clone, Default)]
pub enum Password {
    /// There is none: the server trusts the client, or asks for a certificate.
    #[default]
    None,
    /// The password itself.
    Text(String),
    /// A file in the form of `~/.pgpass` (PostgreSQL manual, "The Password File"): the first line that matches host, port,
    /// database and user has the password.
    File(PathBuf),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    /// BAD_USAGE if the file is needed and cannot be read, or if others may read it.
    pub(super) fn check(&self, config: &Config) -> Result<()> {
        let (Self::File(path), None) = (self, config.get_password()) else {
            return Ok(());
        };
        let bad_usage = |why: String| {
            let why = format!("--database-passfile is {}, {why}", path.display());
            Err(Error::new(ErrorKind::BadUsage, why))
        };
        if let Some(why) = secret_file::exposed(path) {
            return bad_usage(why);
        }
        match secret_file::read(path) {
            Ok(_) => Ok(()),
            Err(error) => bad_usage(format!("which cannot be read: {error}")),
        }
    }

    /// Sets the password for a connection to `address`, unless the URL has one or the file has none for it.
    pub(super) async fn apply(&self, config: &mut Config, address: &Address) -> io::Result<()> {
        if config.get_password().is_some() {
            return Ok(());
        }
        match self {
            Self::None => {}
            Self::Text(text) => {
                config.password(text);
            }
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || secret_file::read(&path));
                let text = read.await.map_err(io::Error::other)??;
                if let Some(password) = find(&text, &wanted(config, address)) {
                    config.password(password);
                }
            }
        }
        Ok(())
    }
}

/// The host names, the port, the database and the user that a line must match.
struct Wanted {
    hosts: Vec<String>,
    port: String,
    database: String,
    user: String,
}

fn wanted(config: &Config, address: &Address) -> Wanted {
    let (hosts, port) = match address {
        Address::Tcp(address, name) => {
            // As in libpq, the name if the URL has one, else the address.
            let host = name.as_ref().map(ToString::to_string);
            let host = host.unwrap_or_else(|| address.ip().to_string());
            (vec![host], address.port().to_string())
        }
        Address::Unix(path) => {
            // The name of a socket ends with the port. `localhost` stands for sockets too.
            let port = path.extension().unwrap_or_default().to_string_lossy();
            let directory = path.parent().unwrap_or(path).display().to_string();
            (vec![directory, "localhost".to_owned()], port.into_owned())
        }
    };
    // A URL without a user means the system's user, which only `*` matches here.
    let user = config.get_user().unwrap_or_default().to_owned();
    let database = config.get_dbname().map_or(user.clone(), str::to_owned);
    Wanted {
        hosts,
        port,
        database,
        user,
    }
}

/// The password of the first line that matches.
fn find(text: &str, wanted: &Wanted) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(fields).find_map(|fields| {
        // As in libpq, the password ends at a colon without a backslash too.
        let [host, port, database, user, password, ..] = fields.as_slice() else {
            return None;
        };
        let is = |field: &str, value: &str| field == "*" || field == value;
        let is_host = wanted.hosts.iter().any(|name| is(host, name));
        let is_match = is_host
            && is(port, &wanted.port)
            && is(database, &wanted.database)
            && is(user, &wanted.user);
        is_match.then(|| password.clone())
    })
}

/// The fields of a line, which colons separate. A backslash stands before a colon or a backslash that belongs to a field.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            '\\' => characters.next().or(Some('\\')),
            ':' => {
                fields.push(String::new());
                continue;
            }
            other => Some(other),
        };
        if let (Some(field), Some(literal)) = (fields.last_mut(), literal) {
            field.push(literal);
        }
    }
    fields
}
