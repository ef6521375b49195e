//! What distinguishes one cached answer from another.

use std::mem::size_of;

use crate::{
    app::answer::AnswerShape,
    domain::{
        filter::memory_of,
        get::GetQuery,
        list::ListQuery,
        order::SortValue,
        page::{Position, Start, TokenKey},
        tenant::TenantId,
    },
};

/// Everything that determines the bytes of an answer, except the state of the tenant's tasks.
///
/// `Eq` and `Hash` are derived here and on each type within, so they compare every field: an answer cannot be found by a
/// request that differs in any of them.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::app) struct AnswerKey {
    /// The tenant of the caller's key.
    pub(in crate::app) tenant: TenantId,
    /// The tenant's key for page tokens, since an answer has a token.
    pub(in crate::app) token_key: TokenKey,
    /// The validated request.
    pub(in crate::app) question: Question,
    /// How the transport writes the answer.
    pub(in crate::app) shape: AnswerShape,
}

/// A validated request.
#[derive(Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant)] // a key is shared, not moved, and nearly all are lists
pub(in crate::app) enum Question {
    /// For a page of a list.
    List(ListQuery),
    /// For one task.
    Get(GetQuery),
}

impl Question {
    /// Whether the answer can change without a change of a task, as time passes.
    pub(super) fn depends_on_time(&self) -> bool {
        match self {
            Self::List(query) => query.depends_on_time(),
            Self::Get(_) => false,
        }
    }
}

impl AnswerKey {
    /// Approximate memory in bytes.
    pub(super) fn memory(&self) -> usize {
        let Self {
            tenant,
            token_key: _,
            question,
            shape: _,
        } = self;
        let question = match question {
            Question::List(query) => list_memory(query),
            Question::Get(query) => memory_of(&query.task_ids),
        };
        size_of::<Self>() + tenant.as_str().len() + question
    }
}

/// Memory of the texts of a list request.
fn list_memory(query: &ListQuery) -> usize {
    let start = match &query.start {
        Start::Offset(_) => 0,
        Start::After(Position { value, task_id }) => {
            let value = match value {
                SortValue::Text(text) => text.len(),
                SortValue::Time(_) | SortValue::Number(_) | SortValue::TaskId => 0,
            };
            value + task_id.len()
        }
    };
    query.filter.memory() + start
}
