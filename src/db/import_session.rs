//! The session of an import by a command. It is one of tokio-postgres, because diesel has no COPY, and gives each statement
//! its span and its error.

use std::sync::Arc;

use tokio_postgres::{Client, Statement};

use super::{
    connector::Session,
    error::{DbError, FirstError, Reports},
    import_failure::failed,
    statements::{self, Server},
};
use crate::{
    error::{Error, Result},
    traces,
};

/// A session with what its statements have in common.
pub(super) struct ImportSession {
    pub(super) client: Client,
    server: Server,
    errors: FirstError,
    reports: Arc<Reports>,
}

impl ImportSession {
    pub(super) fn new(session: Session, reports: Arc<Reports>) -> Self {
        let Session {
            client,
            errors,
            is_restricted: _,
            server,
        } = session;
        Self {
            client,
            server,
            errors,
            reports,
        }
    }

    /// Prepares a statement.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement> {
        let prepared = self.client.prepare(sql).await;
        prepared.map_err(|error| self.failed(error))
    }

    /// The error of the driver, with what the server said.
    pub(super) fn db_error(&self, error: tokio_postgres::Error) -> DbError {
        DbError::of_driver(error, self.errors.take(), &self.reports)
    }

    /// What the failure of a statement means.
    pub(super) fn failed(&self, error: tokio_postgres::Error) -> Error {
        failed(&self.reports, &self.errors, error)
    }

    /// Runs a statement with this text, which has a span if the call is recorded.
    pub(super) async fn run<T>(
        &self,
        text: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let span = traces::current().map(|call| self.server.span(&call, text));
        let done = work.await;
        if let (Some(mut span), Err(error)) = (span, &done) {
            statements::fail(&mut span, error.code());
        }
        done
    }

    /// Runs COPY with this text, as [`Self::run`] does.
    pub(super) async fn run_copy(
        &self,
        text: &str,
        work: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let span = traces::current().map(|call| self.server.span(&call, text));
        let done = work.await;
        if let (Some(mut span), Err(error)) = (span, &done) {
            span.fail(error.kind().name());
        }
        done
    }
}
