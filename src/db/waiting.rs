//! How much waits for the workers, in all tenants.

use diesel::{
    sql_query,
    sql_types::{BigInt, Double},
};
use diesel_async::RunQueryDsl;

use super::counts::CountsConnection;
use crate::error::{Error, Result};

/// What waits for the workers.
#[derive(Debug, Clone, Copy, diesel::QueryableByName)]
pub struct Waiting {
    /// Deltas of the counts that are not compacted, up to 100,000.
    #[diesel(sql_type = BigInt)]
    pub deltas: i64,
    /// Tasks that are due to be started or ended, up to 1,000 of each tenant and status.
    #[diesel(sql_type = BigInt)]
    pub due: i64,
    /// For how many seconds the first of them has been due; 0 without any.
    #[diesel(sql_type = Double)]
    pub due_seconds: f64,
}

impl CountsConnection {
    /// Counts what waits for the workers. The function bounds what it reads, so it takes milliseconds.
    pub async fn waiting(&mut self) -> Result<Waiting> {
        let ask = sql_query("SELECT deltas, due, due_seconds FROM tenants_waiting()");
        let connection = self.connection();
        connection
            .run(async |connection| ask.get_result(connection).await)
            .await
            .map_err(Error::from)
    }
}
