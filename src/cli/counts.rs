//! `outbound-tasks counts`.

use clap::{Args, ValueEnum};

use super::print;
use crate::{
    app::App,
    config::Database,
    domain::tenant::TenantId,
    error::{Error, ErrorKind, Result},
};

/// Hold the counts behind totals against the tasks, or make them anew
#[derive(Debug, Args)]
pub(super) struct Counts {
    /// What to do
    #[arg(value_enum)]
    action: Action,
    /// Only this tenant's
    #[arg(long, value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    #[command(flatten)]
    database: Database,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Compare every count with the tasks; exit code 1 where one differs. Safe on a live database
    Verify,
    /// Count all tasks anew. Safe on a live database
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
                    print(&format!("{tenant}\tcounted anew"))?;
                }
            }
        }
        if wrong > 0 {
            let what = format!(
                "{wrong} counts differ from the tasks; `outbound-tasks counts rebuild` mends them"
            );
            return Err(Error::new(ErrorKind::FailedPrecondition, what));
        }
        Ok(())
    }
}
