//! `outbound-tasks counts`.

use clap::{Args, ValueEnum};

use super::terminal::print;
use crate::{
    app::App,
    config::Database,
    domain::tenant::TenantId,
    error::{Error, ErrorKind, Result},
};

/// Compare the counts behind totals with the tasks, or rebuild them
#[derive(Debug, Args)]
pub(super) struct Counts {
    /// What to do
    #[arg(value_enum)]
    action: Action,
    /// Only the counts of this tenant
    #[arg(long, value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    #[command(flatten)]
    database: Database,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Compare every count, label and name that lists read with the tasks; exit code 1 if any differs. Safe on a live database
    Verify,
    /// Recount all tasks, and repair the labels and names that lists read. Safe on a live database
    Rebuild,
}

impl Counts {
    pub(super) async fn run(self) -> Result<()> {
        let app = App::new(&self.database.for_command()?)?;
        super::serve::check_schema(&app).await?;
        let tenants = match self.tenant {
            Some(tenant) => {
                app.tenant_check(&tenant).await?;
                vec![tenant]
            }
            None => app.tenants().await?,
        };
        let mut counts = app.counts_connection().await?;
        let mut wrong = 0;
        for tenant in tenants {
            match self.action {
                Action::Verify => {
                    let differing = counts.verify(&tenant).await?;
                    wrong += differing;
                    print(&format!("{tenant}\t{differing} counts differ"))?;
                }
                Action::Rebuild => {
                    counts.rebuild(&tenant).await?;
                    print(&format!("{tenant}\trebuilt"))?;
                }
            }
        }
        if wrong > 0 {
            let what = format!(
                "{wrong} counts differ from the tasks; run `outbound-tasks counts rebuild` to correct them"
            );
            return Err(Error::new(ErrorKind::FailedPrecondition, what));
        }
        Ok(())
    }
}
