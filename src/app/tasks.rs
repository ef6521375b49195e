//! Reads tasks: the list, and single tasks.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    App, Caller,
    answer::{AnswerForm, TaskPage, write_task},
    cache::{AnswerCache, AnswerKey, Ask, CacheFigures, Question},
};
use crate::{
    domain::{
        get::{GetQuery, Shown},
        list::{GrowingPage, ListRequest, page_too_large},
        task::Task,
    },
    error::{Result, Violations},
};

/// The result of a request for several tasks by id.
#[derive(Debug)]
pub struct TaskBatch {
    /// The existing tasks, in the order of the request.
    pub tasks: Vec<Task>,
    /// The ids that have no task, in the order of the request.
    pub missing: Vec<String>,
}

impl App {
    /// Reads one task of the caller's tenant, from the cache if nothing has changed; NOT_FOUND if it does not exist.
    /// `violations` are those that the transport found, and `form` is how it writes the answer.
    pub async fn task_get(
        &self,
        caller: &Caller,
        task_id: String,
        shown: Shown,
        violations: Violations,
        form: AnswerForm,
    ) -> Result<Bytes> {
        let query = GetQuery::one(task_id, shown, violations)?;
        let Some(answers) = &self.answers else {
            let task = self.db.tenant(&caller.tenant).task_row(&query).await?;
            return Ok(write_task(task, &query, &form)?.into_bytes());
        };
        let ask = self.ask(caller, Question::Get(query), form);
        answers.answer(ask).await
    }

    /// Reads tasks of the caller's tenant by their ids. `violations` are those that the transport found.
    pub async fn task_batch_get(
        &self,
        caller: &Caller,
        task_ids: Vec<String>,
        shown: Shown,
        violations: Violations,
    ) -> Result<TaskBatch> {
        let query = GetQuery::many(task_ids, shown, violations)?;
        self.task_read(caller, query).await
    }

    async fn task_read(&self, caller: &Caller, query: GetQuery) -> Result<TaskBatch> {
        let found = self.db.tenant(&caller.tenant).task_get(&query).await?;
        let (mut page, mut missing) = (GrowingPage::default(), Vec::new());
        for id in query.task_ids {
            match found.get(&id) {
                // A task is read once but counts towards the page size as often as the request names it.
                Some(task) if !page.push(task.clone()) => {
                    return Err(page_too_large(["task_ids", "target_limit"]));
                }
                Some(_) => {}
                None => missing.push(id),
            }
        }
        Ok(TaskBatch {
            tasks: page.tasks,
            missing,
        })
    }

    /// Lists the tasks of the caller's tenant, from the cache if nothing has changed. `violations` are those that the
    /// transport found, and `form` is how it writes the answer.
    pub async fn task_list(
        &self,
        caller: &Caller,
        request: ListRequest,
        violations: Violations,
        form: AnswerForm,
    ) -> Result<Bytes> {
        let query = request.check(&caller.token_key, violations)?;
        self.listed.note(&caller.tenant);
        let Some(answers) = &self.answers else {
            let list = self.db.tenant(&caller.tenant).list_rows(&query).await?;
            let page = TaskPage::new(list, &query, &caller.token_key)?;
            return Ok((form.write_page)(&page, form.shape)?.into_bytes());
        };
        let ask = self.ask(caller, Question::List(query), form);
        answers.answer(ask).await
    }

    fn ask(&self, caller: &Caller, question: Question, form: AnswerForm) -> Ask {
        Ask {
            db: self.db.clone(),
            key: Arc::new(AnswerKey {
                tenant: caller.tenant.clone(),
                token_key: caller.token_key.clone(),
                question,
                shape: form.shape,
            }),
            form,
        }
    }

    /// What the cache of list answers did so far; zeros if it is turned off.
    pub fn list_cache(&self) -> CacheFigures {
        let answers = self.answers.as_ref();
        answers.map(AnswerCache::figures).unwrap_or_default()
    }
}
