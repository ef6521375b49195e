//! Outcomes of writes, as they are stored for callers that repeat a request.
//!
//! The service that replays an outcome may be of another version than the one that stored it. So
//! the forms here are a format, apart from the types that the service works with. A field of a form
//! keeps its name and meaning, and a field that is added has a default (`#[serde(default)]`). serde
//! checks that each form has every field of its type. A change that these rules do not allow takes
//! another [`VERSION`], which is stored with each outcome. While services are replaced one by one,
//! an older one may meet a version that it does not know. It then refuses the request, and does not
//! do the write again.

use serde::{Deserialize, Serialize};

use super::{
    results::{Added, BulkOutcome, Created, Removed, Reported},
    stored::{StatusForm, TaskForm},
};
use crate::{
    domain::{status::TaskStatus, task::Task, write::Refused},
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// The format in which outcomes are stored.
pub(super) const VERSION: i16 = 1;

/// The outcome of a write, in the format of [`VERSION`].
pub(super) trait Outcome: Sized {
    fn to_text(&self) -> serde_json::Result<Vec<u8>>;
    fn from_text(text: &str) -> serde_json::Result<Self>;
}

/// The text to store for an outcome.
pub(super) fn write<T: Outcome>(outcome: &T) -> Result<String> {
    let text = outcome.to_text().map_err(Error::internal)?;
    String::from_utf8(text).map_err(Error::internal)
}

/// Reads a stored outcome; ABORTED where this service cannot.
pub(super) fn read<T: Outcome>(version: i16, text: &str) -> Result<T> {
    let cause = match version {
        VERSION => match T::from_text(text) {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error.to_string(),
        },
        _ => format!("this service reads version {VERSION}"),
    };
    // The operator should see it: callers that retry during an upgrade are refused.
    tracing::warn!(version, cause, "a stored outcome of a write cannot be read");
    let what = "the write of this idempotency_key was done by another version of the service, whose answer this one cannot \
        read; it was not done again: read the task to see its state";
    Err(Error::new(ErrorKind::Aborted, what)
        .because(ErrorReason::OutcomeUnreadable)
        .caused_by(cause))
}

/// The forms below are read and written by serde in place of the types that they name; see the
/// comment of the module.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Refused")]
struct RefusedForm {
    task_id: String,
    #[serde(with = "StatusForm")]
    status: TaskStatus,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Created")]
struct CreatedForm {
    #[serde(with = "tasks")]
    tasks: Vec<Task>,
    repeated: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BulkOutcome")]
struct BulkForm {
    task_ids: Vec<String>,
    #[serde(with = "refused")]
    refused: Vec<Refused>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Removed")]
struct RemovedForm {
    count: usize,
    missing: Vec<String>,
    #[serde(with = "TaskForm")]
    task: Task,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Reported")]
struct ReportedForm {
    applied: usize,
    ignored: usize,
    missing: Vec<String>,
    #[serde(with = "TaskForm")]
    task: Task,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Added")]
struct AddedForm {
    count: u32,
    duplicates: u32,
    #[serde(with = "TaskForm")]
    task: Task,
}

/// Serializes a list of values by the form of each.
macro_rules! list {
    ($list:ident: $own:ident as $form:ident, $text:literal) => {
        mod $list {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::{$form, $own};

            pub(super) fn serialize<S: Serializer>(
                list: &[$own],
                to: S,
            ) -> Result<S::Ok, S::Error> {
                struct Item<'a>(&'a $own);
                impl Serialize for Item<'_> {
                    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                        $form::serialize(self.0, to)
                    }
                }
                to.collect_seq(list.iter().map(Item))
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<Vec<$own>, D::Error> {
                #[derive(Deserialize)]
                struct Item(#[serde(with = $text)] $own);
                let list = Vec::<Item>::deserialize(from)?;
                Ok(list.into_iter().map(|item| item.0).collect())
            }
        }
    };
}

list!(tasks: Task as TaskForm, "TaskForm");
list!(refused: Refused as RefusedForm, "RefusedForm");

macro_rules! outcomes {
    ($($own:ident as $form:ident,)*) => {
        $(impl Outcome for $own {
            fn to_text(&self) -> serde_json::Result<Vec<u8>> {
                let mut text = Vec::new();
                $form::serialize(self, &mut serde_json::Serializer::new(&mut text))?;
                Ok(text)
            }

            fn from_text(text: &str) -> serde_json::Result<Self> {
                $form::deserialize(&mut serde_json::Deserializer::from_str(text))
            }
        })*
    };
}

outcomes! {
    Task as TaskForm,
    Created as CreatedForm,
    BulkOutcome as BulkForm,
    Removed as RemovedForm,
    Reported as ReportedForm,
    Added as AddedForm,
}

/// The outcome of a write whose response is empty.
impl Outcome for () {
    fn to_text(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    fn from_text(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}
