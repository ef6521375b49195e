//! Every filter with every order is answered from an index: shown by the plans that PostgreSQL used.
//!
//! The statements are those of the service, run with its settings on 200,000 tasks.

use chrono::{DateTime, TimeDelta, Utc};
use outbound_tasks::domain::{
    date_range::{DateField, DateFilter, DateRange},
    fields::OrderBy,
    filter::{Condition, FilterRequest, RowCondition, TaskFilter},
    list::{CountMode, ListQuery},
    order::SortValue,
    order::{Direction, TaskOrder},
    page::{Position, Start},
    status::TaskStatus,
    words::Word,
};

use crate::support::{
    database::Database,
    explain::{Explainer, FILL, TASKS, nodes, outline},
    tasks::Json,
};

const ROWS: i64 = 21;

/// Rows that the scans of tables and indexes below a node read, including the rows that their filters removed.
fn rows_read(plan: &Json) -> f64 {
    let number = |node: &Json, name: &str| node[name].as_f64().unwrap_or_default();
    let scans = nodes(plan).into_iter().filter(|n| {
        n["Node Type"].as_str().unwrap().contains("Index") && n["Relation Name"] == "tasks"
    });
    scans
        .filter(|n| {
            n["Node Type"] != "Bitmap Index Scan" || plan["Node Type"] == "Bitmap Index Scan"
        })
        .map(|n| {
            (number(n, "Actual Rows") + number(n, "Rows Removed by Filter"))
                * number(n, "Actual Loops")
        })
        .sum()
}

pub fn filters() -> Vec<TaskFilter> {
    let middle = DateTime::parse_from_rfc3339("2022-01-01T00:00:00Z")
        .unwrap()
        .to_utc();
    let late = middle + TimeDelta::days(727);
    let early = middle - TimeDelta::days(729);
    let ranges = [
        None,
        Some(DateRange::Between(middle, middle + TimeDelta::days(7))),
        Some(DateRange::From(late)),
        Some(DateRange::Until(early)),
    ];
    let sets: [&[TaskStatus]; 4] = [
        &[],
        &[TaskStatus::Running],
        &TaskStatus::ACTIVE,
        &[TaskStatus::Completed],
    ];
    let mut filters = Vec::new();
    for range in ranges {
        for field in DateField::all() {
            for statuses in sets {
                let (start, end) = range.map_or((None, None), DateRange::bounds);
                filters.push(checked(FilterRequest {
                    statuses: statuses.iter().copied().collect(),
                    date_field: field,
                    start,
                    end,
                    ..FilterRequest::default()
                }));
            }
            if range.is_none() {
                break;
            }
        }
    }
    filters
}

/// The filter of a valid request.
pub fn checked(request: FilterRequest) -> TaskFilter {
    let mut violations = Default::default();
    let filter = request.check("", &mut violations);
    assert!(violations.is_empty());
    filter
}

/// The range of time that a filter asks for.
fn date_of(filter: &TaskFilter) -> Option<DateFilter> {
    filter.conditions().find_map(|condition| match condition {
        Condition::Row(RowCondition::Date(date)) => Some(date),
        _ => None,
    })
}

/// A start position in the middle of the list.
fn middle_of(by: OrderBy) -> Position {
    let time: DateTime<Utc> = DateTime::parse_from_rfc3339("2022-01-03T12:00:00Z")
        .unwrap()
        .to_utc();
    Position {
        value: match by {
            OrderBy::TaskId => SortValue::TaskId,
            OrderBy::Name => SortValue::Text("Campaign 8".to_owned()),
            OrderBy::Progress => SortValue::Number(50),
            _ => SortValue::Time(time),
        },
        task_id: "task-5".to_owned(),
    }
}

/// Number of tasks that match, counted in plain SQL.
async fn matching(client: &tokio_postgres::Client, filter: &TaskFilter) -> f64 {
    let mut sql = "SELECT count(*) FROM tasks WHERE tenant_id = 'demo'".to_owned();
    for condition in filter.conditions() {
        match condition {
            Condition::Row(RowCondition::Status(statuses)) => {
                let numbers: Vec<_> = statuses.iter().map(|s| (s as i16).to_string()).collect();
                sql += &format!(" AND status IN ({})", numbers.join(","));
            }
            Condition::Row(RowCondition::Date(DateFilter { field, range })) => {
                let (start, end) = range.bounds();
                let (lower, upper) = match field {
                    DateField::Window => ("end_time >", "start_time"),
                    DateField::StartTime => ("start_time >=", "start_time"),
                    DateField::EndTime => ("end_time >=", "end_time"),
                    DateField::CreatedAt => ("created_at >=", "created_at"),
                    DateField::UpdatedAt => ("updated_at >=", "updated_at"),
                };
                sql += &start.map_or(String::new(), |t| {
                    format!(" AND {lower} '{}'", t.to_rfc3339())
                });
                sql += &end.map_or(String::new(), |t| {
                    format!(" AND {upper} < '{}'", t.to_rfc3339())
                });
            }
            other => panic!("{other:?} is not a condition of these filters"),
        }
    }
    client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_served_by_an_index() {
    let database = Database::new().await;
    database.execute(FILL).await;
    database
        .execute("SELECT task_counts_rebuild(t) FROM unnest('{demo,other}'::text[]) t")
        .await;
    database
        .execute("VACUUM ANALYZE tasks, task_segments, task_changes")
        .await;
    let client = database.client().await;
    let mut explainer = Explainer::new(&database).await;
    for filter in filters() {
        let matching = matching(&client, &filter).await;
        for by in OrderBy::all() {
            let deep = Start::Offset((matching / 2.0) as i64);
            let starts = [
                Start::Offset(0),
                Start::Offset(40),
                Start::After(middle_of(by)),
                deep.clone(),
                deep,
            ];
            for (start, direction) in starts.into_iter().zip(Direction::all().cycle()) {
                let order = TaskOrder { by, direction };
                let query = ListQuery {
                    filter: filter.clone(),
                    order,
                    start,
                    limit: ROWS - 1,
                    target_limit: 100,
                    count: CountMode::Exact,
                    status_counts: false,
                    target_sums: false,
                    attention_counts: None,
                };
                let (plan, nested) = explainer.plans(&query).await;
                check(&query, matching, &plan, &nested);
            }
        }
    }
    let count = client
        .query_one("SELECT count(*) FROM tasks WHERE tenant_id = 'demo'", &[])
        .await;
    assert_eq!(count.unwrap().get::<_, i64>(0), TASKS);
}

/// The total reads the matching rows, or one or two buckets where it comes from the counts. The page reads the rows
/// that it shows. It reads all matching rows where no index has both range and order, and the rows before it where it
/// is far down an order that is not in the count index.
fn check(query: &ListQuery, matching: f64, plan: &Json, nested: &[Json]) {
    let shown = || {
        let nested: String = nested.iter().map(|n| outline(n, 1)).collect();
        format!("{query:?}\n{}\n{nested}", outline(plan, 0))
    };
    for node in nested.iter().chain([plan]).flat_map(nodes) {
        let kind = node["Node Type"].as_str().unwrap();
        assert!(
            !kind.contains("Seq Scan") && !kind.starts_with("Gather"),
            "{}",
            shown()
        );
    }
    // The join of one row with the page keeps the page's order. Only a page that is read backwards is sorted once more.
    let root = match (plan["Node Type"].as_str(), query.order.direction) {
        (Some("Sort"), Direction::Descending) => &plan["Plans"][0],
        _ => plan,
    };
    let outer = |node: &&Json| node["Parent Relationship"] == "Outer";
    let total = root["Plans"].as_array().unwrap().iter().find(outer);
    assert!(
        root["Node Type"] == "Nested Loop" && total.unwrap()["Actual Rows"].as_f64() == Some(1.0),
        "{}",
        shown()
    );

    // A bucket holds at most 512 tasks, and each of the two ends of a range lies in one bucket.
    let in_functions: f64 = nested.iter().map(rows_read).sum();
    assert!(
        in_functions <= 1100.0,
        "the functions read {in_functions}: {}",
        shown()
    );

    // The functions do not scan an index from end to end either.
    let buffers = |plan: &Json| {
        ["Shared Hit Blocks", "Shared Read Blocks"]
            .map(|name| plan[name].as_f64().unwrap())
            .iter()
            .sum::<f64>()
    };
    let most_buffers = nested.iter().map(buffers).fold(0.0, f64::max);
    assert!(
        most_buffers <= 400.0,
        "a function's statement reads {most_buffers} pages: {}",
        shown()
    );

    let date = date_of(&query.filter);
    let by = query.order.by;
    let is_window = date
        .is_some_and(|d| d.field == DateField::Window && matches!(d.range, DateRange::Between(..)));
    // A range on the window with one bound is one on start_time or end_time.
    let is_in_index = |d: DateFilter| d.field != DateField::UpdatedAt && !is_window;
    let is_counted = date.is_none_or(is_in_index);
    let gathers = date.is_some_and(|d| match (d.field, d.range) {
        (DateField::Window, DateRange::From(_)) => by != OrderBy::EndTime,
        (DateField::Window, DateRange::Until(_)) => by != OrderBy::StartTime,
        (DateField::Window, DateRange::Between(..)) => true,
        (field, _) => field.word() != by.word(),
    });
    let seeks = !gathers
        && matches!(
            by,
            OrderBy::StartTime | OrderBy::TaskId | OrderBy::CreatedAt | OrderBy::EndTime
        );
    // Of each class of window lengths the statement reads the windows that began up to four times their length before
    // the range.
    let all = if is_window {
        4.0 * matching + 300.0
    } else {
        matching
    };
    let total = if is_counted { 0.0 } else { all };
    let offset = if let Start::Offset(offset) = query.start {
        offset
    } else {
        0
    };
    let wanted = (offset + ROWS) as f64;
    let page = match (gathers, seeks) {
        // PostgreSQL rounds the rows of each loop, and there are six loops.
        (true, _) => all + 6.0 + ROWS as f64,
        (false, true) => 7.0 * wanted.min(512.0 + ROWS as f64),
        (false, false) => 7.0 * wanted,
    };
    let (read, most) = (rows_read(plan), total + page);
    assert!(
        read <= most,
        "reads {read}, at most {most} of {matching}: {}",
        shown()
    );
}
