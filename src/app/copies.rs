//! Copies tasks.
//!
//! A copy of millions of customers takes minutes, so it is one transaction on a connection of its own, as an upload is, and
//! shares the permits of uploads.

use super::{
    App, Caller,
    write_once::{WriteRequest, Written},
    writes::initial_values,
};
use crate::{
    db::{EventCustomers, NewEvents, Opening},
    domain::{
        event::{Change, EventKind},
        task::{NewTask, Task},
        write::{CheckedCopy, CopyTask},
    },
    error::{Error, Result},
};

impl App {
    /// Creates a pending task with the customers of another one that are in some states. NOT_FOUND if there is no such
    /// source, ALREADY_EXISTS if the new id is taken, UNAVAILABLE if no permit is free.
    pub async fn task_copy(
        &self,
        caller: &Caller,
        request: WriteRequest<CopyTask>,
    ) -> Result<Written<Task>> {
        let (copy, idempotency) = request.validate()?;
        let CheckedCopy {
            source_task_id,
            task,
            states,
        } = copy;
        let task = NewTask {
            copied_from: source_task_id,
            ..task.into_task()
        };
        let _permit = self.upload_permit(caller).await?;
        let mut transaction = self.db.tenant(&caller.tenant).begin_alone().await?;
        let copied = self.write_in(
            &mut transaction,
            caller,
            idempotency.as_ref(),
            Opening::default(),
            async |transaction, _| {
                let (source, task_id) = (task.copied_from.as_str(), task.task_id.as_str());
                let copied = transaction.targets_copy(source, task_id, &states).await?;
                let (count, labels) = copied.ok_or_else(|| Error::no_such_task(source))?;
                let task = NewTask {
                    labels,
                    ..task.clone()
                };
                let mut values = initial_values(&task, count);
                values.extend(Change::of("copied_from", "", source));
                let events = NewEvents {
                    kind: EventKind::Created,
                    key_id: caller.key_id.as_str(),
                    customers: EventCustomers::None,
                    reason: "",
                    tasks: vec![(task_id, values)],
                };
                let made = transaction.task_insert_copy(&task, count, events).await?;
                made.ok_or_else(|| Error::task_ids_taken(&[task_id]))
            },
        );
        let copied = copied.await;
        transaction.end(copied).await
    }
}
