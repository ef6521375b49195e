//! Reads tasks: the list, and single tasks.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    App, Caller,
    answer::{AnswerForm, TaskPage},
    cache::{AnswerCache, AnswerKey, Ask, CacheFigures},
};
use crate::{
    domain::{
        get::{GetQuery, Shown},
        list::{GrowingPage, ListRequest, page_too_large},
        task::Task,
    },
    error::{Error, Result, Violations},
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
    /// Reads one task of the caller's tenant; NOT_FOUND if it does not exist. `violations` are those that the transport
    /// found.
    pub async fn task_get(
        &self,
        caller: &Caller,
        task_id: String,
        shown: Shown,
        violations: Violations,
    ) -> Result<Task> {
        let query = GetQuery::one(task_id, shown, violations)?;
        let TaskBatch { mut tasks, missing } = self.task_read(caller, query).await?;
        match tasks.pop() {
            Some(task) => Ok(task),
            None => Err(Error::no_such_task(missing.concat())),
        }
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
            let list = self.db.tenant(&caller.tenant).task_list(&query).await?;
            let page = TaskPage::new(list, &query, &caller.token_key);
            return Ok((form.write)(page, form.shape).into_bytes());
        };
        let key = AnswerKey {
            tenant: caller.tenant.clone(),
            token_key: caller.token_key.clone(),
            query,
            shape: form.shape,
        };
        let ask = Ask {
            db: self.db.clone(),
            key: Arc::new(key),
            form,
        };
        answers.answer(ask).await
    }

    /// What the cache of list answers did so far; zeros if it is turned off.
    pub fn list_cache(&self) -> CacheFigures {
        let answers = self.answers.as_ref();
        answers.map(AnswerCache::figures).unwrap_or_default()
    }
}
