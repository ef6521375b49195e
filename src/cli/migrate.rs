//! `outbound-tasks migrate`.

use clap::{Args, ValueEnum};

use super::terminal::print;
use crate::{
    app::App,
    config::Database,
    error::{Error, ErrorKind, Result},
};

/// Apply migrations, show their state, revert the last one, or grant a role what a service needs
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// What to do
    #[arg(value_enum, default_value = "run")]
    action: Action,
    /// The role, for `grant`
    #[arg(required_if_eq("action", "grant"))]
    role: Option<String>,
    #[command(flatten)]
    database: Database,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Apply all pending migrations; several processes may do so at once
    Run,
    /// List the migrations and whether they are applied
    Status,
    /// Revert the last migration, including all data that it made room for
    Revert,
    /// Grant a role what `serve` needs, also on what later migrations create. Row-level security restricts the role, if
    /// it does not own the tables
    Grant,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<()> {
        let app = App::new(&self.database.for_command()?)?;
        if self.role.is_some() && !matches!(self.action, Action::Grant) {
            let why = "a role is for `migrate grant` only";
            return Err(Error::new(ErrorKind::BadUsage, why));
        }
        match self.action {
            Action::Run => {
                for name in app.migration_run().await? {
                    print(&format!("applied {name}"))?;
                }
                print("the schema is up to date")
            }
            Action::Status => {
                for migration in app.migration_status().await? {
                    let state = if migration.applied {
                        "applied"
                    } else {
                        "pending"
                    };
                    print(&format!("{state} {}", migration.name))?;
                }
                Ok(())
            }
            Action::Revert => match app.migration_revert().await? {
                Some(name) => print(&format!("reverted {name}")),
                None => print("there is nothing to revert"),
            },
            Action::Grant => {
                let role = self.role.unwrap_or_default(); // clap requires it
                app.grant_to(&role).await?;
                print(&format!(
                    "the role {role} can serve tasks; row-level security restricts it to one tenant at a time"
                ))
            }
        }
    }
}
