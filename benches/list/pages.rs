//! Deep pages of a list, for one caller over gRPC, compared with the first page of the same list.

use std::{sync::Arc, time::Instant};

use outbound_tasks::domain::{
    date_range::DateField,
    fields::OrderBy,
    limits::DEFAULT_LIMIT,
    order::{Direction, TaskOrder},
    status::TaskStatus,
    words::Word,
};
use tonic::Code;

use crate::{
    Result,
    client::{Caller, GrpcCall},
    data::TENANT,
    lists::{Filter, List, month},
    load::{self, Measured},
    run::Bench,
    table::{Table, thousands},
};

/// The lists are requested in turns, so that a slow minute of the machine affects all of them.
const ROUNDS: u32 = 4;
const CALLS: u32 = 50;
/// For lists with a cost that depends on the number of matching tasks.
const FEW_CALLS: u32 = 5;
/// Calls until each connection of the service's pool has planned each statement.
const WARM_UP: u32 = 30;

/// No filter.
pub(crate) const ALL: Filter = Filter {
    name: "no filter",
    statuses: &[],
    range: None,
};

/// With ranges on `field`.
fn filters(field: DateField) -> [Filter; 6] {
    let range = |start, end| Some((field, start, end));
    let running = &[TaskStatus::Running];
    [
        ALL,
        Filter {
            name: "running",
            statuses: running,
            range: None,
        },
        Filter {
            name: "active",
            statuses: &TaskStatus::ACTIVE,
            range: None,
        },
        Filter {
            name: "completed or failed",
            statuses: &[TaskStatus::Completed, TaskStatus::Failed],
            range: None,
        },
        Filter {
            name: "two years",
            statuses: &[],
            range: range(month(2023, 1), month(2025, 1)),
        },
        Filter {
            name: "active in one month",
            statuses: &TaskStatus::ACTIVE,
            range: range(month(2024, 1), month(2024, 2)),
        },
    ]
}

impl Bench<'_> {
    /// Pages by number in the orders of the count index.
    pub(crate) async fn pages_by_number(&self, table: &mut Table) -> Result<()> {
        for (by, field) in [
            (OrderBy::StartTime, DateField::StartTime),
            (OrderBy::TaskId, DateField::StartTime),
            (OrderBy::CreatedAt, DateField::CreatedAt),
            (OrderBy::EndTime, DateField::EndTime),
        ] {
            for filter in filters(field) {
                if by == OrderBy::TaskId && filter.range.is_some() {
                    continue;
                }
                let what = format!("by {}, {}", by.word(), filter.name);
                eprintln!("pages {what}");
                let mut lists = Vec::new();
                for direction in Direction::all() {
                    let mut first = List::new(filter, TaskOrder { by, direction });
                    first.learn(&self.sql).await?;
                    let last = (first.total + DEFAULT_LIMIT - 1) / DEFAULT_LIMIT;
                    for page in [1, last.min(1000), last / 2, last] {
                        let mut list = first.page(page);
                        list.learn_page(&self.sql).await?;
                        lists.push(list);
                    }
                }
                let seen = self.ask(&lists, CALLS).await?;
                let total = thousands(lists[0].total);
                let what = format!("{what} ({total} tasks): page 1 / 1,000th / middle / last, p50");
                beside_the_first(&what, &seen, 4, table);
            }
        }
        Ok(())
    }

    /// Pages by token in every order.
    pub(crate) async fn pages_by_token(&self, table: &mut Table) -> Result<()> {
        for by in OrderBy::all() {
            eprintln!("tokens by {}", by.word());
            let mut lists = Vec::new();
            for direction in Direction::all() {
                let mut first = List::new(ALL, TaskOrder { by, direction });
                first.learn(&self.sql).await?;
                let mut deep = first.after_the_middle(&self.sql, &self.token_key).await?;
                deep.learn_page(&self.sql).await?;
                lists.extend([first, deep]);
            }
            let seen = self.ask(&lists, CALLS).await?;
            let what = format!(
                "by {}, no filter: page 1 / by token from the middle, p50",
                by.word()
            );
            beside_the_first(&what, &seen, 2, table);
        }
        Ok(())
    }

    /// Lists without counts, with a cost that depends on the number of matching tasks, compared with a plain count of
    /// those.
    pub(crate) async fn other_lists(&self, table: &mut Table) -> Result<()> {
        let in_month = |name, field| Filter {
            name,
            statuses: &[],
            range: Some((field, month(2024, 1), month(2024, 2))),
        };
        let by = |by| TaskOrder {
            by,
            ..TaskOrder::default()
        };
        let mut of_customer = List::new(ALL, by(OrderBy::StartTime));
        let sql = "SELECT target[1] FROM tasks WHERE tenant_id = $1 ORDER BY task_id LIMIT 1";
        let customer = self.sql.query_one(sql, &[&TENANT]).await?;
        of_customer.request.filter.customer_id = Some(customer.get(0));
        let mut named = List::new(ALL, by(OrderBy::StartTime));
        // The names end in "#" and a number.
        named.request.filter.name = Some(format!("#{}", self.settings.tasks / 3));
        let labelled = |label: &str, by| {
            let mut list = List::new(ALL, by);
            list.request.filter.labels = vec![label.to_owned()];
            list
        };
        for (list, name) in [
            (of_customer, "of one customer, by start_time, page 1"),
            (named, "a number in the name, by start_time, page 1"),
            (
                labelled("one=yes", by(OrderBy::StartTime)),
                "a label of one task, by start_time, page 1",
            ),
            (
                labelled("one=yes", by(OrderBy::Name)),
                "a label of one task, by name, page 1",
            ),
            (
                List::new(ALL, by(OrderBy::StartTime)),
                "no filter, by start_time, page 1",
            ),
            (
                labelled("half=yes", by(OrderBy::StartTime)),
                "a label of half of the tasks, by start_time, page 1",
            ),
            (
                labelled("half", by(OrderBy::StartTime)).page(500),
                "a label of half of the tasks, by start_time, page 500",
            ),
            (
                List::new(in_month("", DateField::EndTime), by(OrderBy::EndTime)),
                "end_time in a month, by end_time, page 1",
            ),
            (
                List::new(in_month("", DateField::UpdatedAt), by(OrderBy::UpdatedAt)).page(100),
                "updated_at in a month, by updated_at, page 100",
            ),
            (
                List::new(in_month("", DateField::Window), by(OrderBy::StartTime)),
                "window over a month, by start_time, page 1",
            ),
            (
                List::new(in_month("", DateField::StartTime), by(OrderBy::TaskId)).page(100),
                "start_time in a month, by task_id, page 100",
            ),
            (
                List::new(ALL, by(OrderBy::Name)).page(500),
                "no filter, by name, page 500",
            ),
        ] {
            eprintln!("{name}");
            let mut list = list;
            let began = Instant::now();
            list.learn(&self.sql).await?;
            let plain = began.elapsed().as_secs_f64() * 1000.0;
            let seen = self.ask(std::slice::from_ref(&list), FEW_CALLS).await?;
            let p50 = seen[0].millis(0.5);
            let what = format!("{name} ({} tasks): p50", thousands(list.total));
            table.row(
                &what,
                format!("{p50:.1} ms"),
                Some((format!("plain SQL, once: {plain:.0} ms"), p50 / plain)),
            );
        }
        self.too_far(table).await
    }

    /// The middle page by number in an order without counts: right, or an error that names the alternative.
    async fn too_far(&self, table: &mut Table) -> Result<()> {
        let by = OrderBy::Name;
        let list = List::new(
            ALL,
            TaskOrder {
                by,
                ..TaskOrder::default()
            },
        )
        .page(self.settings.tasks / DEFAULT_LIMIT / 2);
        let call = GrpcCall::new(&self.target, &list)?;
        let began = Instant::now();
        let said = match call.once(&self.target).await? {
            Ok(answer) if answer.tasks.len() as i64 == DEFAULT_LIMIT => "answered".to_owned(),
            Err(status)
                if status.code() == Code::DeadlineExceeded
                    && status.message().contains("page_token") =>
            {
                "DEADLINE_EXCEEDED, which names page_token".to_owned()
            }
            other => return Err(format!("a page too far down is answered with {other:?}").into()),
        };
        let took = began.elapsed().as_secs_f64();
        table.row(
            "no filter, by name, the middle page by number",
            format!("{said}, after {took:.2} s"),
            None,
        );
        Ok(())
    }

    /// Requests each list in turns, and returns the durations.
    async fn ask(&self, lists: &[List], calls: u32) -> Result<Vec<Measured>> {
        let mut work = Vec::new();
        for list in lists {
            let call = Arc::new(GrpcCall::learn(&self.target, list).await?);
            let mut callers = Caller::grpc(&self.target.address, 1, &call).await?;
            work.push((callers.remove(0), Measured::new()?));
        }
        for (caller, _) in &mut work {
            load::times(caller, WARM_UP.min(calls), &mut Measured::new()?).await?;
        }
        for _ in 0..ROUNDS {
            for (caller, seen) in &mut work {
                load::times(caller, calls, seen).await?;
            }
        }
        Ok(work.into_iter().map(|(_, seen)| seen).collect())
    }
}

/// One table row for lists of which each `width`th is a first page, ascending and descending. The ratio is the worst.
fn beside_the_first(what: &str, seen: &[Measured], width: usize, table: &mut Table) {
    let mut worst: f64 = 0.0;
    let mut figures = Vec::new();
    for (direction, pages) in Direction::all().zip(seen.chunks(width)) {
        let p50s: Vec<f64> = pages.iter().map(|page| page.millis(0.5)).collect();
        worst = p50s
            .iter()
            .fold(worst, |worst, p50| worst.max(p50 / p50s[0]));
        let p50s: Vec<String> = p50s.iter().map(|p50| format!("{p50:.2}")).collect();
        figures.push(format!("{} {}", direction.word(), p50s.join(" / ")));
    }
    table.row(
        what,
        format!("{} ms", figures.join(", ")),
        Some(("page 1".to_owned(), worst)),
    );
}
