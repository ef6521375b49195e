//! One question to the database.

use std::sync::Arc;

use super::key::{AnswerKey, Question};
use crate::{
    app::answer::{AnswerForm, TaskPage, Written, write_task},
    db::{Db, Reader, Work},
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
    /// What it is expected to cost.
    pub(in crate::app) fn work(&self) -> Work<'_> {
        match &self.key.question {
            Question::List(query) => Work::list(&self.key.tenant, query),
            Question::Get(_) => Work::named(&self.key.tenant, "task", 1),
        }
    }

    /// Asks the database.
    pub(in crate::app) async fn read(&self, reader: &mut Reader) -> Result<Written> {
        let AnswerKey {
            tenant,
            token_key,
            question,
            shape,
        } = &*self.key;
        match question {
            Question::List(query) => {
                let list = reader.list_rows(tenant, query).await?;
                let page = TaskPage::new(list, query, token_key)?;
                (self.form.write_page)(&page, *shape)
            }
            Question::Get(query) => {
                let task = reader.task_row(tenant, query).await?;
                write_task(task, query, &self.form)
            }
        }
    }
}
