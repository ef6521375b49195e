//! What a history of cached lists is compared with: all changes of all tasks, and what each answer may show of them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use outbound_tasks::pb::{
    GetOutboundTaskRequest, GetOutboundTaskResponse, ListOutboundTasksRequest,
    ListOutboundTasksResponse,
};
use prost::Message;
use tonic::{Code, Status};

use super::{
    http::{Answer, Http, frame},
    tasks::Json,
    wire::{RPC, Wire},
};

pub const WRITERS: usize = 8;
/// Tasks of each writer that are there all the time. One more comes and goes.
pub const TASKS: usize = 3;
/// By how much the time of a statement may differ from the moment of its snapshot on a busy machine: PostgreSQL may be
/// interrupted between the two.
pub const MOMENT: TimeDelta = TimeDelta::milliseconds(200);

/// A state of a task, made by its writer's change of this number.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whether the task exists in this state.
    pub exists: bool,
    /// When the change was confirmed.
    pub confirmed: Option<DateTime<Utc>>,
}

/// All changes of all tasks, by the task's id. The number of a change is its index.
#[derive(Default)]
pub struct History {
    pub tasks: Mutex<BTreeMap<String, Vec<Change>>>,
    /// Imported tasks, which are never changed: how many may be there, and how many must be.
    pub begun: AtomicU64,
    pub imported: AtomicU64,
    pub is_over: AtomicBool,
    pub answers: AtomicU64,
}

/// What an answer may show of a task: changes of these numbers.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    pub least: usize,
    pub most: usize,
}

impl History {
    pub fn begin(&self, id: &str, exists: bool) -> usize {
        let mut tasks = self.tasks.lock().unwrap();
        let changes = tasks.entry(id.to_owned()).or_default();
        changes.push(Change {
            exists,
            confirmed: None,
        });
        changes.len() - 1
    }

    pub fn confirm(&self, id: &str, number: usize) {
        let mut tasks = self.tasks.lock().unwrap();
        tasks.get_mut(id).unwrap()[number].confirmed = Some(Utc::now());
    }

    /// The number of the last confirmed change of each task.
    pub fn confirmed(&self) -> BTreeMap<String, usize> {
        let tasks = self.tasks.lock().unwrap();
        let last = tasks.iter().map(|(id, changes)| {
            let last = changes
                .iter()
                .rposition(|change| change.confirmed.is_some());
            (id.clone(), last.unwrap())
        });
        last.collect()
    }

    /// What an answer may show that was asked for when `confirmed` was, and that is here.
    pub fn allowed(&self, confirmed: BTreeMap<String, usize>) -> BTreeMap<String, Allowed> {
        let tasks = self.tasks.lock().unwrap();
        let allowed = confirmed.into_iter().map(|(id, least)| {
            let most = tasks[&id].len() - 1;
            (id, Allowed { least, most })
        });
        allowed.collect()
    }

    /// Checks the answer about one task: its name, or that it is not there.
    pub fn check_one(&self, id: &str, name: Option<&str>, Allowed { least, most }: Allowed) {
        let tasks = self.tasks.lock().unwrap();
        let states = &tasks[id][least..=most];
        match name {
            Some(name) => {
                let number: usize = name.parse().unwrap();
                assert!(
                    (least..=most).contains(&number) && tasks[id][number].exists,
                    "{id} has change {number}, {least} to {most} are allowed"
                );
            }
            None => assert!(
                states.iter().any(|change| !change.exists),
                "{id} is missing: {states:?}"
            ),
        }
        self.answers.fetch_add(1, Relaxed);
    }

    /// Checks the answer to a list.
    pub fn check(
        &self,
        asked: &Asked,
        seen: &Seen,
        allowed: &BTreeMap<String, Allowed>,
        imported: [u64; 2],
    ) {
        let tasks = self.tasks.lock().unwrap();
        let mut shown = BTreeMap::new();
        for (id, name, updated_at) in &seen.tasks {
            assert!(
                *updated_at <= seen.as_of,
                "{id} is of after the answer's time: {seen:?}"
            );
            if id.starts_with('i') {
                continue;
            }
            let number: usize = name.parse().unwrap();
            let Allowed { least, most } = allowed[id];
            assert!(
                (least..=most).contains(&number),
                "{asked:?}: {id} has change {number}, {least} to {most} are allowed"
            );
            assert!(tasks[id][number].exists, "{id} did not exist at {number}");
            shown.insert(id.as_str(), number);
            // The next change was not committed at the time of the answer.
            let next = tasks[id].get(number + 1).and_then(|next| next.confirmed);
            assert!(
                next.is_none_or(|next| next + MOMENT > seen.as_of),
                "{asked:?}: {id} had change {} at {next:?}, before {}",
                number + 1,
                seen.as_of
            );
        }
        // A list of one writer's tasks shows all of them that exist.
        for id in &asked.ids {
            let Allowed { least, most } = allowed[id];
            let mut states = tasks[id][least..=most].iter();
            let may_miss = states.any(|change| !change.exists);
            assert!(
                shown.contains_key(id.as_str()) || may_miss,
                "{asked:?}: {id} is missing"
            );
        }
        let is_asked = |id: &String| asked.ids.is_empty() || asked.ids.contains(id);
        let (mut least, mut most) = (0, 0);
        for (id, range) in allowed.iter().filter(|(id, _)| is_asked(id)) {
            let states = &tasks[id][range.least..=range.most];
            least += u64::from(states.iter().all(|change| change.exists));
            most += u64::from(states.iter().any(|change| change.exists));
        }
        if asked.ids.is_empty() {
            least += imported[0];
            most += imported[1];
        }
        assert!(
            (least..=most).contains(&seen.total),
            "{asked:?}: total {}, {least} to {most} are allowed",
            seen.total
        );
        self.answers.fetch_add(1, Relaxed);
    }
}

/// A list.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub ids: Vec<String>,
    pub order_by: usize,
    pub is_descending: bool,
    pub page: u32,
    pub status_counts: bool,
}

pub const ORDERS: [&str; 7] = [
    "start_time",
    "task_id",
    "end_time",
    "created_at",
    "updated_at",
    "name",
    "progress",
];
pub const LIMIT: i32 = 4;

impl Asked {
    pub fn random(random: &mut Rng) -> Self {
        let ids = match random.u32(..3) {
            0 => ids(random.usize(..WRITERS)),
            _ => Vec::new(),
        };
        Self {
            page: if ids.is_empty() { random.u32(1..4) } else { 1 },
            ids,
            order_by: random.usize(..ORDERS.len()),
            is_descending: random.bool(),
            status_counts: random.u32(..4) == 0,
        }
    }

    pub fn message(&self) -> ListOutboundTasksRequest {
        ListOutboundTasksRequest {
            page: self.page as i32,
            limit: LIMIT,
            task_ids: self.ids.clone(),
            order_by: self.order_by as i32 + 1,
            order: i32::from(self.is_descending) + 1,
            status_counts: self.status_counts,
            ..Default::default()
        }
    }

    pub fn query(&self) -> String {
        let order = if self.is_descending { "desc" } else { "asc" };
        let ids: String = self
            .ids
            .iter()
            .map(|id| format!("&task_ids={id}"))
            .collect();
        format!(
            "page={}&limit={LIMIT}{ids}&order_by={}&order={order}&status_counts={}",
            self.page, ORDERS[self.order_by], self.status_counts
        )
    }
}

/// What an answer shows.
#[derive(Debug)]
pub struct Seen {
    pub total: u64,
    pub as_of: DateTime<Utc>,
    /// Id, name and time of the last change.
    pub tasks: Vec<(String, String, DateTime<Utc>)>,
}

pub fn time(time: Option<prost_types::Timestamp>) -> DateTime<Utc> {
    let time = time.unwrap();
    DateTime::from_timestamp(time.seconds, time.nanos as u32).unwrap()
}

pub fn of_message(list: ListOutboundTasksResponse) -> Seen {
    let tasks = list.tasks.into_iter();
    Seen {
        total: list.total as u64,
        as_of: time(list.as_of),
        tasks: tasks
            .map(|t| (t.task_id, t.name, time(t.updated_at)))
            .collect(),
    }
}

pub fn of_json(list: &Json) -> Seen {
    let text = |of: &Json| of.as_str().unwrap().to_owned();
    let tasks = list["tasks"].as_array().unwrap().iter();
    let shown = |t: &Json| {
        let updated_at = text(&t["updated_at"]).parse().unwrap();
        (text(&t["task_id"]), text(&t["name"]), updated_at)
    };
    Seen {
        total: list["total"].as_u64().unwrap(),
        as_of: text(&list["as_of"]).parse().unwrap(),
        tasks: tasks.map(shown).collect(),
    }
}

/// Asks over one transport. `None` if the service could not answer.
pub async fn ask(http: &Http, wire: Wire, asked: &Asked) -> Option<Seen> {
    let key = ("x-api-key", &*http.key);
    let kind = match wire {
        Wire::Grpc => "application/grpc",
        Wire::Web1 | Wire::Web2 => "application/grpc-web+proto",
        _ => {
            let path = format!("/api/v1/outboundtasks?{}", asked.query());
            let answer = http
                .try_send(http::Method::GET, &path, &[key], vec![])
                .await
                .unwrap();
            return match answer.status.as_u16() {
                200 => Some(of_json(&answer.json())),
                503 | 504 => None,
                _ => panic!("{}", answer.json()),
            };
        }
    };
    match call(http, kind, RPC, &asked.message()).await {
        Ok(list) => Some(of_message(list)),
        Err(status) => match status.code() {
            Code::Unavailable | Code::DeadlineExceeded => None,
            _ => panic!("{status:?}"),
        },
    }
}

/// Asks for one task, and returns its name if it exists. `None` if the service could not answer.
pub async fn get(http: &Http, wire: Wire, task_id: &str) -> Option<Option<String>> {
    const GET: &str = "/outboundtasks.v1.OutboundTaskService/GetOutboundTask";
    let kind = match wire {
        Wire::Web1 | Wire::Web2 => "application/grpc-web+proto",
        _ => "application/grpc",
    };
    let message = GetOutboundTaskRequest {
        task_id: task_id.to_owned(),
        ..Default::default()
    };
    match call::<GetOutboundTaskResponse>(http, kind, GET, &message).await {
        Ok(answer) => Some(Some(answer.task.unwrap().name)),
        Err(status) => match status.code() {
            Code::NotFound => Some(None),
            Code::Unavailable | Code::DeadlineExceeded => None,
            _ => panic!("{status:?}"),
        },
    }
}

async fn call<T: Message + Default>(
    http: &Http,
    kind: &str,
    path: &str,
    message: &impl Message,
) -> Result<T, Status> {
    let headers = [
        ("content-type", kind),
        ("te", "trailers"),
        ("x-api-key", &*http.key),
    ];
    let answer: Answer = http
        .try_send(http::Method::POST, path, &headers, frame(message))
        .await
        .unwrap();
    let (message, trailers) = answer.unary::<T>();
    let status = Status::from_header_map(&trailers).unwrap();
    match status.code() {
        Code::Ok => Ok(message.unwrap()),
        _ => Err(status),
    }
}

pub fn ids(writer: usize) -> Vec<String> {
    (0..=TASKS).map(|n| format!("w{writer}-{n}")).collect()
}
