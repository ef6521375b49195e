//! The use cases. Transports and commands hold an [`App`] and nothing below it.

mod auth;
mod counts;
pub mod health;
pub mod import;
mod tasks;
mod tenants;

pub use auth::{Access, Caller};
pub use tasks::{TaskBatch, TaskPage};
pub use tenants::IssuedKey;

use crate::{
    db::{Db, DbOptions},
    error::Result,
};

/// The application on one database.
#[derive(Debug)]
pub struct App {
    db: Db,
    keys: auth::KeyCache,
    listed: counts::Listed,
}

impl App {
    /// The application on the database of `options`; connects to nothing yet.
    pub fn new(options: &DbOptions) -> Result<Self> {
        Ok(Self {
            db: Db::new(options)?,
            keys: auth::KeyCache::default(),
            listed: counts::Listed::default(),
        })
    }

    /// The database, for what concerns it as a whole: migrations, health, pool.
    pub fn db(&self) -> &Db {
        &self.db
    }
}
