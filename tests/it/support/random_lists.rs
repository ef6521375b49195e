//! Random tasks and random lists of them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use outbound_tasks::{
    domain::{status::TaskStatus, target::TargetState, words::Word},
    pb::{DateRange, ListOutboundTasksRequest},
};
use prost_types::Timestamp;

use super::{
    labels::{random_label, random_wanted},
    tasks::Json,
};

/// A task, as a model in plain Rust has it.
pub struct Model {
    pub id: String,
    pub name: String,
    pub folded_name: String,
    pub times: [DateTime<Utc>; 4], // start, end, created, updated
    pub status: i32,
    pub progress: i32,
    pub targets: Vec<String>,
    /// The state of each target, by its number.
    pub states: Vec<usize>,
    pub labels: BTreeMap<String, String>,
}

/// Letters with and without case, of one to four bytes, some of which change their length with their case, and
/// characters that are special in SQL, LIKE, a text search or the index.
const PIECES: [&str; 26] = [
    "a", "B", "ä", "Ä", "中", "文字", "a b", "Z", "𐍈", "𐐀", "𐐨", "%", "_", "'", "\\", "ΟΔΟΣ", "ς",
    "straße", "SS", "\u{1}", "İ", "&", "!", ":*", "|", "demo/",
];

const CUSTOMERS: [&str; 6] = ["c1", "c2", "C1", "客户", "c,3", "c'4"];

fn pieces(random: &mut Rng, most: usize) -> String {
    let pieces = (0..random.usize(1..=most)).map(|_| PIECES[random.usize(0..PIECES.len())]);
    pieces.collect()
}

/// A text without its case, as a search compares it.
pub fn folded(text: &str) -> String {
    text.to_uppercase().to_lowercase().replace('ς', "σ")
}

/// A task with values of a small range, so that ties are common and bounds are hit.
pub fn random_task(random: &mut Rng, n: usize) -> Model {
    let base = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let mut at = |spread: i64| base + TimeDelta::hours(random.i64(0..spread));
    let (start, created, updated) = (at(60), at(20), at(20));
    let lengths = [0, 0, 1, 3, 5, 20, 24 * 5, 24 * 400, 24 * 365 * 20];
    let end = start + TimeDelta::hours(lengths[random.usize(0..lengths.len())]);
    let mut targets: Vec<String> = CUSTOMERS.map(str::to_owned).into();
    random.shuffle(&mut targets);
    targets.truncate(random.usize(0..4));
    let id = format!("{}{n}", ["t", "T", "任务", "~"][random.usize(0..4)]);
    let name = match random.bool() {
        true => pieces(random, 1),
        false => pieces(random, 6),
    };
    Model {
        id,
        folded_name: folded(&name),
        name,
        times: [start, end, created, updated],
        status: random.i32(1..=6),
        progress: random.i32(0..=4) * 25,
        states: targets.iter().map(|_| random.usize(1..=6)).collect(),
        targets,
        labels: (0..random.usize(0..4))
            .map(|_| random_label(random))
            .collect(),
    }
}

impl Model {
    /// As an import takes it.
    pub fn record(&self) -> Json {
        let [start, end, created, updated] = self.times.map(|t| t.to_rfc3339());
        let results = self.targets.iter().zip(&self.states);
        let results: Vec<Json> = results
            .filter(|(_, state)| **state > 1)
            .map(|(customer_id, state)| {
                serde_json::json!({"customer_id": customer_id, "state": TargetState::words()[*state - 1], "attempt": 1, "time": start})
            })
            .collect();
        serde_json::json!({
            "task_id": self.id, "name": self.name, "start_time": start, "end_time": end, "progress": self.progress,
            "status": TaskStatus::words()[self.status as usize - 1], "created_at": created, "updated_at": updated, "target": self.targets,
            "target_results": results, "labels": self.labels,
        })
    }
}

/// A text that a name may contain: a part of a name, or random letters, in one case or another.
fn random_part(random: &mut Rng, tasks: &[Model]) -> String {
    let name = &tasks[random.usize(0..tasks.len())].name;
    let part: String = match random.u8(0..4) {
        0 => pieces(random, 3),
        _ => {
            let from = random.usize(0..name.chars().count());
            let rest = name.chars().skip(from);
            rest.take(random.usize(1..=8)).collect()
        }
    };
    match random.u8(0..3) {
        0 => part.to_uppercase(),
        1 => part.to_lowercase(),
        _ => part,
    }
}

/// Selective filters: none in half of the requests, else one or several.
fn random_few(random: &mut Rng, tasks: &[Model]) -> (String, String, Vec<String>) {
    let (mut customer, mut name, mut ids) = (String::new(), String::new(), Vec::new());
    let kinds = [0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 4, 3, 5, 6, 7][random.usize(0..16)];
    if kinds & 1 != 0 {
        customer = match random.u8(0..9) {
            0 => "c".to_owned(),
            _ => CUSTOMERS[random.usize(0..CUSTOMERS.len())].to_owned(),
        };
    }
    if kinds & 2 != 0 {
        name = random_part(random, tasks);
    }
    if kinds & 4 != 0 {
        let most = [1, 5, 1000][random.usize(0..3)];
        let id = |random: &mut Rng| match random.u8(0..9) {
            0 => format!("t{}", random.usize(0..2000)),
            _ => tasks[random.usize(0..tasks.len())].id.clone(),
        };
        ids = (0..random.usize(1..=most)).map(|_| id(random)).collect();
    }
    (customer, name, ids)
}

/// A list with random filters, order and page.
pub fn random_request(random: &mut Rng, tasks: &[Model]) -> ListOutboundTasksRequest {
    let (customer_id, name, task_ids) = random_few(random, tasks);
    let base = 1_700_000_000;
    let mut bound = |low: i64| {
        let seconds = base + random.i64(low..70) * 3600 + random.i64(0..2) * 1800;
        random.bool().then_some(Timestamp { seconds, nanos: 0 })
    };
    let (start, mut end) = (bound(-5), bound(-5));
    if let (Some(s), Some(e)) = (&start, &mut end)
        && e.seconds < s.seconds
    {
        e.seconds = s.seconds + 3600;
    }
    let limit = [0, 1, 2, 7, 50, 1000][random.usize(0..6)];
    // With limit 0, which means 20, a page is past the end more often than not.
    let deep = if random.bool() {
        4
    } else {
        900 / limit.max(1) + 3
    };
    ListOutboundTasksRequest {
        page: random.i32(0..deep),
        limit,
        status: (0..random.usize(0..5)).map(|_| random.i32(1..=6)).collect(),
        date_range: random.bool().then_some(DateRange { start, end }),
        order_by: random.i32(0..=7),
        order: random.i32(0..=2),
        date_field: random.i32(0..=5),
        target_limit: [None, Some(0), Some(1)][random.usize(0..3)],
        page_token: String::new(),
        status_counts: random.bool(),
        customer_id,
        name,
        task_ids,
        label: match random.u8(0..3) {
            0 => random_wanted(random),
            _ => Vec::new(),
        },
        read_mask: None,
        count: random.i32(0..=2),
        target_sums: random.bool(),
        ..Default::default()
    }
}
