//! `outbound-tasks keys`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::print;
use crate::{
    app::{App, KeyRecord},
    config::{Database, duration},
    domain::{
        key::{KeyId, Scope},
        tenant::TenantId,
        time,
    },
    error::{Error, ErrorKind, Result},
};

/// Make, list and revoke API keys
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; prints it alone on standard output, this once
    Create {
        /// The tenant whose tasks it opens
        #[arg(long, value_parser = TenantId::parse)]
        tenant: TenantId,
        /// What people call the key: 1 to 256 characters
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
        /// How long it is good, as 90d; without it, until it is revoked
        #[arg(long, value_parser = lifetime)]
        expires_in: Option<Duration>,
        #[command(flatten)]
        database: Database,
    },
    /// List keys, by tenant and then oldest first, never their secrets
    List {
        /// Only this tenant's
        #[arg(long, value_parser = TenantId::parse)]
        tenant: Option<TenantId>,
        #[command(flatten)]
        database: Database,
    },
    /// Revoke a key; in force on running servers within 2 s
    Revoke {
        /// The key's id: what stands between otk_ and the last _
        key_id: String,
        #[command(flatten)]
        database: Database,
    },
}

/// Up to a hundred years; a key that is good for no time is a mistake.
fn lifetime(text: &str) -> Result<Duration, String> {
    const CENTURY: Duration = Duration::from_secs(36_525 * 24 * 3600);
    let lifetime = duration(text)?;
    if lifetime > CENTURY {
        return Err("must be at most 36525 days".to_owned());
    }
    Ok(lifetime)
}

async fn connect(database: &Database) -> Result<App> {
    let app = App::new(&database.for_command()?)?;
    super::serve::check_schema(&app).await?;
    Ok(app)
}

impl Keys {
    pub(super) async fn run(self) -> Result<()> {
        match self.action {
            Action::Create {
                tenant,
                name,
                mut scope,
                expires_in,
                database,
            } => {
                let app = connect(&database).await?;
                scope.dedup();
                let key = app.key_create(&tenant, &name, &scope, expires_in).await?;
                eprintln!(
                    "made key {}; this is the only time it is shown",
                    key.id.as_str()
                );
                let printed = print(&key.secret);
                if printed.is_err() {
                    // Nobody has seen it, so nobody can have use for it.
                    app.key_revoke(&key.id).await?;
                }
                printed
            }
            Action::List { tenant, database } => {
                let app = connect(&database).await?;
                let tenants = match tenant {
                    Some(tenant) => {
                        app.tenant_check(&tenant).await?;
                        vec![tenant]
                    }
                    None => app.tenants().await?,
                };
                for tenant in tenants {
                    for key in app.key_list(&tenant).await? {
                        print(&line(&key))?;
                    }
                }
                Ok(())
            }
            Action::Revoke { key_id, database } => {
                // Not clap's to check: its message would repeat what may be a whole key.
                let key_id = KeyId::parse(&key_id).ok_or_else(|| {
                    let why = "KEY_ID must be as demo.k3v9x2mq, without otk_ and the secret";
                    Error::new(ErrorKind::BadUsage, why)
                })?;
                let app = connect(&database).await?;
                app.key_revoke(&key_id).await?;
                print(&format!("revoked {}", key_id.as_str()))
            }
        }
    }
}

fn line(key: &KeyRecord) -> String {
    let at = |what: &str, t: Option<DateTime<Utc>>| match t {
        Some(t) => format!("{what} {}", time::to_rfc3339(t)),
        None => format!("never {what}"),
    };
    [
        key.key_id.clone(),
        key.name.escape_debug().to_string(),
        key.scopes.join(","),
        at("made", Some(key.created_at)),
        at("expires", key.expires_at),
        at("revoked", key.revoked_at),
        at("used", key.last_used_at),
    ]
    .join("\t")
}
