//! `outbound-tasks tenants`.

use clap::{Args, Subcommand};

use super::terminal::print;
use crate::{
    app::App,
    config::Database,
    domain::{tenant::TenantId, time},
    error::Result,
};

/// Create and list tenants
#[derive(Debug, Args)]
pub(super) struct Tenants {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a tenant
    Create {
        /// 1 to 40 characters from a-z, 0-9 and -, starting with a letter or digit
        #[arg(value_parser = TenantId::parse)]
        id: TenantId,
        #[command(flatten)]
        database: Database,
    },
    /// List all tenants by id
    List {
        #[command(flatten)]
        database: Database,
    },
}

impl Tenants {
    pub(super) async fn run(self) -> Result<()> {
        let (Action::Create { database, .. } | Action::List { database }) = &self.action;
        let app = App::new(&database.for_command()?)?;
        super::serve::check_schema(&app).await?;
        match self.action {
            Action::Create { id, .. } => {
                app.tenant_create(&id).await?;
                print(&format!("created tenant {id}"))
            }
            Action::List { .. } => {
                for tenant in app.tenant_list().await? {
                    print(&format!(
                        "{}\tcreated {}",
                        tenant.tenant_id,
                        time::to_rfc3339(tenant.created_at)
                    ))?;
                }
                Ok(())
            }
        }
    }
}
