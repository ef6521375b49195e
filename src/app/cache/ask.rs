//! One question to the database.

use std::sync::Arc;

use super::key::AnswerKey;
use crate::{
    app::answer::{AnswerForm, TaskPage, Written},
    db::{Db, Reader},
    error::Result,
};

/// A question, with all that is needed to answer it for whoever waits.
#[derive(Debug, Clone)]
pub(in crate::app) struct Ask {
    pub(in crate::app) db: Db,
    pub(in crate::app) key: Arc<AnswerKey>,
    pub(in crate::app) form: AnswerForm,
}

impl Ask {
    /// Asks the database.
    pub(in crate::app) async fn read(&self, reader: &mut Reader) -> Result<Written> {
        let AnswerKey {
            tenant,
            token_key,
            query,
            shape,
        } = &*self.key;
        let list = reader.task_list(tenant, query).await?;
        let page = TaskPage::new(list, query, token_key);
        Ok((self.form.write)(page, *shape))
    }
}
