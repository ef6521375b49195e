//! The targets of tasks: lists, adds and removes them, and records call results.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{
    App, Caller,
    results::{Removed, Reported},
    write_once::{WriteRequest, Written},
    writes::locked,
};
use crate::{
    db::{Counted, EventCustomers, Find, NewEvents, Opening},
    domain::{
        event::{Change, EventKind},
        limits::{
            DEFAULT_PARTS, EVENT_CUSTOMERS, MAX_ID_CHARS, MAX_LIMIT, check_range, check_text,
        },
        page,
        target::{Target, TargetCounts, TargetResult, TargetState, missing},
        task::Task,
        words::Word,
        write::{RemoveTargets, ReportResults, ReportedResults, valid},
    },
    error::{Error, Result, Violations},
};

/// One page of the targets of a task.
#[derive(Debug)]
pub struct TargetPage {
    /// The number of targets in the requested states.
    pub total: i32,
    /// The targets, in the order of the task.
    pub targets: Vec<Target>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
    /// The time of the snapshot that the page shows.
    pub as_of: DateTime<Utc>,
}

/// The parameters of a list of targets.
#[derive(Debug)]
pub struct TargetListRequest {
    /// The id of the task.
    pub task_id: String,
    /// The requested states; empty means all.
    pub states: Vec<TargetState>,
    /// The maximum number of targets in the page; [`DEFAULT_PARTS`] if not set.
    pub limit: Option<i64>,
    /// The only customer to list; `None` means all.
    pub customer_id: Option<String>,
    /// The token of the previous page; empty for the first page.
    pub page_token: String,
}

impl App {
    /// Lists one page of the targets of a task; NOT_FOUND if the task does not exist.
    pub async fn target_list(
        &self,
        caller: &Caller,
        request: TargetListRequest,
        mut violations: Violations,
    ) -> Result<TargetPage> {
        let TargetListRequest {
            task_id,
            mut states,
            limit,
            customer_id,
            page_token,
        } = request;
        let limit = limit.unwrap_or(DEFAULT_PARTS);
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut violations);
        check_range("limit", limit, 1, MAX_LIMIT, &mut violations);
        if let Some(customer_id) = &customer_id {
            check_text("customer_id", customer_id, MAX_ID_CHARS, &mut violations);
        }
        if states.is_empty() {
            states.extend(TargetState::all());
        }
        // The token's hash covers the states and the customer. The same states in another order are the same list.
        states.sort_unstable();
        states.dedup();
        let mut query = vec!["targets", task_id.as_str()];
        query.extend(states.iter().map(|s| s.word()));
        if let Some(customer_id) = &customer_id {
            // No state has this word.
            query.extend(["customer", customer_id.as_str()]);
        }
        let after = caller
            .token_key
            .open_number(&page_token, &query, &mut violations);
        // Positions begin at 0, so the first page begins after -1.
        let after = after.map_or(-1, |position| position as i32); // sealed from an i32
        valid(violations)?;
        let tenant = self.db.tenant(&caller.tenant);
        let list = tenant
            .target_list(&task_id, &states, customer_id.as_deref(), after, limit + 1)
            .await?
            .ok_or_else(|| Error::no_such_task(&task_id))?;
        let mut targets = list.targets;
        let next_page_token = page::cut(&mut targets, limit, |(position, _)| {
            caller.token_key.seal_number(&query, (*position).into())
        });
        let total = match customer_id {
            None => states.iter().map(|state| list.counts.of(*state)).sum(),
            // A task has a customer once. No page follows the first, so no token excludes it.
            Some(_) => targets.len() as i32,
        };
        Ok(TargetPage {
            total,
            targets: targets.into_iter().map(|(_, target)| target).collect(),
            next_page_token,
            as_of: list.as_of,
        })
    }

    /// Removes targets from a task.
    pub async fn target_remove(
        &self,
        caller: &Caller,
        request: WriteRequest<RemoveTargets>,
    ) -> Result<Written<Removed>> {
        let (removal, idempotency) = request.validate()?;
        let RemoveTargets {
            task_id,
            customer_ids,
            etag,
        } = removal;
        let opening = Opening {
            tasks: &[&task_id],
            targets: Find::Customers(&customer_ids),
            ..Opening::default()
        };
        self.write(
            caller,
            idempotency.as_ref(),
            opening,
            async |transaction, opened| {
                let mut task = locked(opened.tasks, &task_id, &etag)?;
                let gone = opened.targets;
                let mut counts = task.target_counts;
                for gone in &gone {
                    counts.add(gone.was, -1);
                }
                if !gone.is_empty() {
                    let key_id = caller.key_id.as_str();
                    let changed: HashSet<&str> =
                        gone.iter().map(|gone| gone.customer_id.as_str()).collect();
                    let customers = named(&customer_ids, changed);
                    let kind = EventKind::TargetsRemoved;
                    let counted = recount(key_id, &task, counts, kind, customers);
                    task = transaction.target_remove(&task_id, &gone, counted).await?;
                }
                let known: HashSet<String> =
                    gone.into_iter().map(|gone| gone.customer_id).collect();
                Ok(Removed {
                    count: known.len(),
                    missing: missing(customer_ids.clone(), &known),
                    task,
                })
            },
        )
        .await
    }

    /// Records call results.
    pub async fn target_report(
        &self,
        caller: &Caller,
        request: WriteRequest<ReportResults>,
    ) -> Result<Written<Reported>> {
        let (ReportedResults { task_id, results }, idempotency) = request.validate()?;
        let asked: Vec<String> = results.iter().map(|r| r.customer_id.clone()).collect();
        let last = TargetResult::last_of_each(results);
        let opening = Opening {
            tasks: &[&task_id],
            targets: Find::Results(&last),
            ..Opening::default()
        };
        self.write(
            caller,
            idempotency.as_ref(),
            opening,
            async |transaction, opened| {
                let mut task = locked(opened.tasks, &task_id, "")?;
                let met = opened.targets;
                let mut counts = task.target_counts;
                let mut changed = HashSet::with_capacity(met.len());
                let mut calls = 0;
                for met in met.iter().filter(|met| met.is_newer) {
                    counts.add(met.was, -1);
                    let result = &last[met.index];
                    counts.add(result.state, 1);
                    // A correction is no call, and neither is a customer that was left out.
                    calls += i64::from(result.attempt > met.attempt);
                    changed.insert(met.customer_id.as_str());
                }
                let applied = changed.len();
                if applied > 0 {
                    let key_id = caller.key_id.as_str();
                    let customers = named(&asked, changed);
                    let kind = EventKind::ResultsReported;
                    let counted = Counted {
                        calls: Some(calls),
                        ..recount(key_id, &task, counts, kind, customers)
                    };
                    let report = transaction.target_report(&task_id, &last, &met, counted);
                    task = report.await?;
                }
                let known: HashSet<String> = met.into_iter().map(|met| met.customer_id).collect();
                let ignored = asked.iter().filter(|id| known.contains(*id)).count() - applied;
                Ok(Reported {
                    applied,
                    ignored,
                    missing: missing(asked, &known),
                    task,
                })
            },
        )
        .await
    }
}

/// The customers for the event of a change: the first of `changed`, in the order of the request.
fn named<'a>(asked: &'a [String], mut changed: HashSet<&str>) -> EventCustomers<'a> {
    let asked = asked.iter().map(String::as_str);
    // A request may repeat a customer.
    let changed = asked.filter(|id| changed.remove(*id));
    EventCustomers::Of(changed.take(EVENT_CUSTOMERS).collect())
}

/// The counts of a task after its targets changed, with the difference as an event that names `customers`.
pub(super) fn recount<'a>(
    key_id: &'a str,
    task: &'a Task,
    counts: TargetCounts,
    kind: EventKind,
    customers: EventCustomers<'a>,
) -> Counted<'a> {
    // Until the first result is reported, the task keeps the progress that it was created with.
    let is_counted = kind == EventKind::ResultsReported
        || task.target_counts.pending != task.target_counts.total();
    let progress = match is_counted {
        true => counts.progress(),
        false => task.progress,
    };
    let mut changes = vec![
        Change::of("target_count", task.target_count, counts.total()),
        Change::of("progress", task.progress, progress),
    ];
    changes.extend(TargetState::all().skip(1).map(|state| {
        let field = format!("target_counts.{}", state.word());
        Change::of(&field, task.target_counts.of(state), counts.of(state))
    }));
    Counted {
        counts,
        progress,
        has_other_targets: kind != EventKind::ResultsReported,
        calls: None,
        events: NewEvents {
            kind,
            key_id,
            reason: "",
            tasks: vec![(&task.task_id, changes.into_iter().flatten().collect())],
            customers,
        },
    }
}
