//! The SQL text of the statements of lists and exports, as snapshots: a change of a statement fails here first, and the
//! difference shows what changed.
//!
//! `lists` and `exports` hold a statement of every strategy, order, filter and part in full. There are thousands of
//! combinations of these, so `digests` holds a hash over the texts of all of them.
//!
//! After an intended change run `INSTA_UPDATE=always cargo test --test it statements`, and read the difference with git.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{debug_query, pg::Pg, query_builder::QueryFragment};
use outbound_tasks::{
    db::{
        CheckStatement,
        list::{ListStatement, export::ExportStatement},
    },
    domain::{
        date_range::{DateField, DateRange},
        export::ExportRequest,
        fields::OrderBy,
        filter::TaskFilter,
        list::{CountMode, ListQuery},
        order::SortValue,
        order::{Direction, TaskOrder},
        page::{Position, Start},
        status::TaskStatus,
        tenant::TenantId,
        words::Word,
    },
};
use sha2::{Digest, Sha256};

use crate::support::asked::{Asked, LOOKUPS, STATUSES, dates, time};

pub const ASCENDING: TaskOrder = TaskOrder {
    by: OrderBy::StartTime,
    direction: Direction::Ascending,
};

pub fn query(filter: TaskFilter, order: TaskOrder, start: Start) -> ListQuery {
    ListQuery {
        filter,
        order,
        start,
        limit: 20,
        target_limit: 100,
        count: CountMode::Exact,
        status_counts: false,
        target_sums: false,
        attention_counts: None,
    }
}

fn after(by: OrderBy) -> Start {
    Start::After(Position {
        value: match by {
            OrderBy::TaskId => SortValue::TaskId,
            OrderBy::Name => SortValue::Text("spring".to_owned()),
            OrderBy::Progress => SortValue::Number(50),
            _ => SortValue::Time(time()),
        },
        task_id: "task-5".to_owned(),
    })
}

/// The first page, a near one, the first one that the counts lead to, and one behind a token.
fn starts(by: OrderBy) -> [Start; 4] {
    let offset = Start::Offset;
    [offset(0), offset(40), offset(256), after(by)]
}

fn orders() -> impl Iterator<Item = TaskOrder> {
    let directions = |by| Direction::all().map(move |direction| TaskOrder { by, direction });
    OrderBy::all().flat_map(directions)
}

fn text(statement: &impl QueryFragment<Pg>) -> String {
    let shown = debug_query::<Pg, _>(statement).to_string();
    let (text, _) = shown.split_once(" -- binds: ").unwrap();
    text.to_owned()
}

pub fn list(query: &ListQuery) -> String {
    text(&ListStatement::new(
        &TenantId::parse("demo").unwrap(),
        query,
    ))
}

fn export(filter: TaskFilter, order: TaskOrder, whole: bool) -> String {
    let request = ExportRequest {
        filter,
        order,
        target_limit: None,
    };
    let checked = match whole {
        true => request.check_whole(Default::default()),
        false => request.check(Default::default()),
    };
    let query = checked.unwrap();
    text(&ExportStatement::new(
        &TenantId::parse("demo").unwrap(),
        &query,
    ))
}

/// The statements that differ, each below what the first query of it asks for.
#[derive(Default)]
pub struct Sheet {
    texts: BTreeMap<String, usize>,
    shown: Vec<String>,
}

impl Sheet {
    pub fn add(&mut self, title: String, text: String) {
        let (count, title) = (self.shown.len(), format!("-- {title}"));
        let number = *self.texts.entry(text.clone()).or_insert(count);
        if let Some(shown) = self.shown.get_mut(number) {
            if !shown.lines().any(|line| line == title) {
                shown.insert_str(0, &format!("{title}\n"));
            }
            return;
        }
        self.shown.push(format!("{title}\n{}\n", lines(&text)));
    }

    pub fn finish(self) -> String {
        self.shown.join("\n")
    }
}

/// A text in lines that a reader can follow, without the task's columns, which the digests hold.
fn lines(text: &str) -> String {
    const LAST: &str = "t.last_result_at, ";
    let (before, after) = text.split_once("t.task_id, t.name, ").unwrap();
    let (_, after) = after.split_once(LAST).unwrap();
    let mut text = format!("{before}…columns…, {after}");
    for word in [
        "FROM (",
        "FROM unnest",
        "CROSS JOIN",
        "LEFT JOIN",
        "ORDER BY",
        "UNION ALL",
    ] {
        text = text.replace(&format!(" {word}"), &format!("\n  {word}"));
    }
    text
}

pub fn describe(asked: Asked, query: &ListQuery) -> String {
    let start = match query.start {
        Start::Offset(offset) => format!("offset {offset}"),
        Start::After(_) => "after a token".to_owned(),
    };
    let mut title = format!("{asked}, {}, {start}", describe_order(query.order));
    if query.count == CountMode::None {
        title += ", no total";
    }
    if query.status_counts {
        title += ", status counts";
    }
    if query.target_sums {
        title += ", target sums";
    }
    if query.attention_counts.is_some() {
        title += ", attention counts";
    }
    title
}

fn describe_order(order: TaskOrder) -> String {
    format!("{} {}", order.by.word(), order.direction.word())
}

/// No range, one that the count index serves, one that it does not, and one of windows.
fn few_dates() -> [Option<(DateField, DateRange)>; 4] {
    let between = |field| Some((field, DateRange::Between(time(), time())));
    [
        None,
        between(DateField::StartTime),
        between(DateField::EndTime),
        between(DateField::Window),
    ]
}

fn list_sheet() -> String {
    let mut sheet = Sheet::default();
    let mut add = |asked: Asked, order, start, changed: fn(&mut ListQuery)| {
        let mut query = query(asked.filter(), order, start);
        changed(&mut query);
        sheet.add(describe(asked, &query), list(&query));
    };
    let as_it_is = |_: &mut ListQuery| {};
    let [no_lookup, by_ids, ..] = LOOKUPS;
    let active = Asked {
        statuses: &TaskStatus::ACTIVE,
        ..Asked::default()
    };
    // The strategies, by all that decides between them.
    for date in few_dates() {
        for statuses in STATUSES {
            let asked = Asked {
                statuses,
                date,
                ..active
            };
            for start in starts(OrderBy::StartTime) {
                add(asked, ASCENDING, start, as_it_is);
            }
        }
    }
    for by in OrderBy::all() {
        let order = TaskOrder {
            by,
            direction: Direction::Descending,
        };
        for start in [after(by), Start::Offset(256)] {
            add(active, order, start, as_it_is);
        }
    }
    for date in dates() {
        let asked = Asked {
            statuses: &[],
            date,
            ..active
        };
        add(asked, ASCENDING, Start::Offset(0), as_it_is);
    }
    for lookup in LOOKUPS {
        let date = Some((DateField::UpdatedAt, DateRange::From(time())));
        let asked = Asked {
            date,
            lookup,
            ..active
        };
        for start in [Start::Offset(0), after(OrderBy::StartTime)] {
            add(asked, ASCENDING, start, as_it_is);
        }
    }
    // The counts, by all that decides where they come from.
    for date in few_dates() {
        for lookup in [no_lookup, by_ids] {
            let asked = Asked {
                date,
                lookup,
                ..active
            };
            for start in [0, 40, 256].map(Start::Offset) {
                add(asked, ASCENDING, start.clone(), |query| {
                    query.count = CountMode::None;
                });
                add(asked, ASCENDING, start.clone(), |query| {
                    query.status_counts = true
                });
                add(asked, ASCENDING, start, |query| {
                    query.target_sums = true;
                });
            }
        }
    }
    sheet.finish()
}

fn export_sheet() -> String {
    let mut sheet = Sheet::default();
    let mut add = |asked: Asked, order, whole| {
        let form = if whole { "whole" } else { "as a list shows it" };
        let title = format!("{asked}, {}, {form}", describe_order(order));
        sheet.add(title, export(asked.filter(), order, whole));
    };
    let active = Asked {
        statuses: &TaskStatus::ACTIVE,
        ..Asked::default()
    };
    for date in few_dates() {
        for statuses in STATUSES {
            let asked = Asked {
                statuses,
                date,
                ..active
            };
            add(asked, ASCENDING, false);
        }
    }
    for order in orders() {
        add(active, order, true);
    }
    for lookup in LOOKUPS {
        let asked = Asked {
            lookup,
            ..Asked::default()
        };
        add(asked, ASCENDING, true);
    }
    sheet.finish()
}

/// A hash over the texts of all statements of a kind.
#[derive(Default)]
struct All(BTreeMap<String, BTreeSet<String>>);

impl All {
    fn add(&mut self, kind: String, text: String) {
        self.0.entry(kind).or_default().insert(text);
    }

    pub fn finish(self) -> String {
        let line = |(kind, texts): (String, BTreeSet<String>)| {
            let mut hash = Sha256::new();
            for text in &texts {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
            let hash: String = hash.finalize()[..8]
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            format!("{kind}: {} statements, sha256 {hash}", texts.len())
        };
        self.0.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn digests() -> String {
    let mut all = All::default();
    for lookup in LOOKUPS {
        let is_lookup = lookup != LOOKUPS[0];
        for statuses in STATUSES {
            for date in dates() {
                // Where some tasks are looked up, the range is only a condition on their rows.
                if is_lookup
                    && date.is_some_and(|(_, range)| !matches!(range, DateRange::Between(..)))
                {
                    continue;
                }
                let asked = Asked {
                    statuses,
                    date,
                    lookup,
                    ..Asked::default()
                };
                let filter = asked.filter();
                for order in orders() {
                    // One order of each form is enough to show how these are looked up.
                    let is_shown = matches!(order.by, OrderBy::StartTime | OrderBy::TaskId);
                    if is_lookup && !is_shown {
                        continue;
                    }
                    let kind = |of: &str| match is_lookup {
                        true => format!("{of} by ids, customer, name or labels"),
                        false => format!("{of} by {}", describe_order(order)),
                    };
                    for whole in [false, true] {
                        all.add(kind("exports"), export(filter.clone(), order, whole));
                    }
                    for start in starts(order.by) {
                        let mut query = query(filter.clone(), order, start);
                        for count in CountMode::all() {
                            for status_counts in [false, true] {
                                query.count = count;
                                query.status_counts = status_counts;
                                all.add(kind("lists"), list(&query));
                                query.target_sums = true;
                                all.add(kind("lists with sums"), list(&query));
                                query.target_sums = false;
                            }
                        }
                    }
                }
            }
        }
    }
    all.finish()
}

#[test]
fn the_statements_of_lists_are_these() {
    insta::assert_snapshot!("lists", list_sheet());
}

#[test]
fn the_statements_of_exports_are_these() {
    insta::assert_snapshot!("exports", export_sheet());
}

#[test]
fn all_statements_together_are_these() {
    insta::assert_snapshot!("digests", digests());
}

/// The check whether anything of a tenant has changed.
#[test]
fn the_statement_of_a_check_is_this() {
    let tenant = TenantId::parse("demo").unwrap();
    let statement = CheckStatement::new(&tenant, &[5, 7]);
    let text = text(&statement).replace(" FROM ", "\nFROM ");
    insta::assert_snapshot!("check", text);
}
