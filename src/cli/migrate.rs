//! `outbound-tasks migrate`.

use clap::{Args, ValueEnum};

use super::terminal::print;
use crate::{app::App, config::Database, error::Result};

/// Apply migrations, show their state, or revert the last one
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// What to do
    #[arg(value_enum, default_value = "run")]
    action: Action,
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
}

impl Migrate {
    pub(super) async fn run(self) -> Result<()> {
        let app = App::new(&self.database.for_command()?)?;
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
        }
    }
}
