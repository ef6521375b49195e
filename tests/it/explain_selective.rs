//! Lists by ids, by customer and by a part of the name read the matching rows by an index, and no others: shown by the
//! plans that PostgreSQL used, whatever its statistics of the tables are.

use chrono::{DateTime, TimeDelta};
use diesel_async::SimpleAsyncConnection;
use outbound_tasks::domain::{
    date_range::{DateField, DateRange},
    fields::OrderBy,
    filter::FilterRequest,
    list::{CountMode, ListQuery},
    order::{Direction, TaskOrder},
    page::Start,
    status::{StatusSet, TaskStatus},
    words::Word,
};

use crate::{
    explain::checked,
    support::{
        database::Database,
        explain::{Explainer, FILL, nodes, outline},
        tasks::Json,
    },
};

const ROWS: f64 = 21.0;

/// About twenty tasks for each of most customers, and one customer that is in every task.
const FILL_SELECTIVE: &str = "
    INSERT INTO task_search SELECT tenant_id, task_id, task_name_fold(name) FROM tasks;
    INSERT INTO task_targets (tenant_id, task_id, position, customer_id)
    SELECT tenant_id, task_id, 0, 'cust-' || substr(task_id, 6)::integer % 10007 FROM tasks
    UNION ALL SELECT tenant_id, task_id, 1, 'all' FROM tasks;
    INSERT INTO task_labels SELECT tenant_id, label, status, start_time, task_id
    FROM (SELECT *, substr(task_id, 6)::integer AS number FROM tasks) t
    CROSS JOIN unnest(ARRAY['half', 'half=' || number % 2, 'rare', 'rare=' || number % 10007]) AS label;
    INSERT INTO task_label_counts SELECT tenant_id, label, count(*), 0, 0, 0, 0, 0 FROM task_labels GROUP BY tenant_id, label;
    UPDATE tasks SET labels = '{half,half=1,rare,rare=77}' WHERE substr(task_id, 6)::integer % 10007 = 77";

/// A filter, and the maximum of rows that a list with it may read of each table besides the page itself.
struct Case {
    filter: FilterRequest,
    tasks: f64,
    targets: f64,
    names: f64,
    labels: f64,
}

fn cases() -> Vec<Case> {
    let text = |text: &str| Some(text.to_owned());
    let ids: Vec<String> = (0..500).map(|n| format!("task-{}", n * 401)).collect();
    let case = |filter, [tasks, targets, names, labels]: [f64; 4]| Case {
        filter,
        tasks,
        targets,
        names,
        labels,
    };
    let none = FilterRequest::default;
    let by_ids = || FilterRequest {
        task_ids: ids.clone(),
        ..none()
    };
    let of_customer = || FilterRequest {
        customer_id: text("cust-77"),
        ..none()
    };
    let with_labels = |labels: &[&str]| FilterRequest {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..none()
    };
    vec![
        case(by_ids(), [500.0, 0.0, 0.0, 0.0]),
        case(of_customer(), [22.0, 22.0, 0.0, 0.0]),
        // Only the first task's name has these six of eight digits. Other names are read if they have the same grams.
        case(
            FilterRequest {
                name: text("C4CA42"),
                ..none()
            },
            [10.0, 0.0, 60.0, 0.0],
        ),
        case(
            FilterRequest {
                name: text("campaign C4CA4238"),
                ..none()
            },
            [5.0, 0.0, 60.0, 0.0],
        ),
        // This customer is in every task, and this text in every name. Where ids are given, neither is looked up.
        case(
            FilterRequest {
                customer_id: text("all"),
                name: text("a"),
                ..by_ids()
            },
            [500.0, 500.0, 500.0, 0.0],
        ),
        case(
            FilterRequest {
                name: text("a"),
                ..of_customer()
            },
            [22.0, 22.0, 22.0, 0.0],
        ),
        // The label that few tasks have is read, whatever other labels and whatever name the filter has. A list that
        // reads the label in its order reads it for the total of a range, for the counts of statuses, and for the page.
        case(with_labels(&["rare=77"]), [22.0, 0.0, 0.0, 66.0]),
        case(
            with_labels(&["half", "half=1", "rare=77"]),
            [22.0, 0.0, 0.0, 22.0],
        ),
        case(
            FilterRequest {
                name: text("a"),
                ..with_labels(&["rare=77"])
            },
            [22.0, 0.0, 0.0, 66.0],
        ),
        // The name leads, because every label has more than 10,000 tasks.
        case(
            FilterRequest {
                name: text("C4CA42"),
                ..with_labels(&["half=1"])
            },
            [10.0, 0.0, 60.0, 20_002.0],
        ),
        case(
            FilterRequest {
                labels: vec!["half".to_owned()],
                ..of_customer()
            },
            [22.0, 22.0, 0.0, 0.0],
        ),
    ]
}

fn queries(filter: &FilterRequest) -> Vec<ListQuery> {
    let middle = DateTime::parse_from_rfc3339("2022-01-01T00:00:00Z")
        .unwrap()
        .to_utc();
    let range = DateRange::Between(middle, middle + TimeDelta::days(400));
    let dates = [
        DateField::StartTime,
        DateField::UpdatedAt,
        DateField::Window,
    ];
    let dates = dates.map(Some);
    let active: StatusSet = TaskStatus::ACTIVE.into_iter().collect();
    let mut queries = Vec::new();
    for (by, date) in OrderBy::all().zip([None].into_iter().chain(dates).cycle()) {
        for statuses in [StatusSet::default(), active] {
            for (status_counts, count, start) in [
                (false, CountMode::Exact, 0),
                (true, CountMode::Exact, 300),
                (false, CountMode::None, 0),
            ] {
                let (start_time, end_time) = date.map_or((None, None), |_| range.bounds());
                let filter = checked(FilterRequest {
                    statuses,
                    date_field: date.unwrap_or_default(),
                    start: start_time,
                    end: end_time,
                    ..filter.clone()
                });
                queries.push(ListQuery {
                    filter,
                    order: TaskOrder {
                        by,
                        direction: Direction::Descending,
                    },
                    start: Start::Offset(start),
                    limit: ROWS as i64 - 1,
                    target_limit: 100,
                    count,
                    status_counts,
                    target_sums: status_counts,
                    attention_counts: None,
                });
            }
        }
    }
    queries
}

/// Rows of a table that the scans below a node read, including the rows that their filters removed.
pub fn rows_read(plan: &Json, table: &str) -> f64 {
    let number = |node: &Json, name: &str| node[name].as_f64().unwrap_or_default();
    let of_table = |n: &&Json| n["Relation Name"] == table;
    let read = |n: &Json| {
        let dropped = ["Rows Removed by Filter", "Rows Removed by Index Recheck"];
        let dropped: f64 = dropped.iter().map(|name| number(n, name)).sum();
        (number(n, "Actual Rows") + dropped) * number(n, "Actual Loops")
    };
    nodes(plan).into_iter().filter(of_table).map(read).sum()
}

/// The statistics that PostgreSQL may have of a growing database. With each, every fifth list is explained, beginning
/// with another one: so each list is explained with one or two of them, and in the end with all statistics. All lists with
/// all of them take two minutes.
const KNOWN: [&str; 6] = [
    "",
    // A vacuum ran while the first rows of the tables were being written.
    "UPDATE pg_class SET reltuples = 0 WHERE oid IN ('tasks'::regclass, 'task_targets'::regclass, 'task_search'::regclass, \
        'task_labels'::regclass)",
    "ANALYZE tasks",
    "ANALYZE task_targets",
    "ANALYZE task_search",
    "ANALYZE task_labels",
];

#[tokio::test(flavor = "multi_thread")]
async fn selective_lists_read_the_matching_rows_by_an_index() {
    let database = Database::new().await;
    // This test sets the statistics itself.
    for table in ["tasks", "task_targets", "task_search", "task_labels"] {
        let alone = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        database.execute(&alone).await;
    }
    database.execute(&format!("{FILL}; {FILL_SELECTIVE}")).await;
    // When an autovacuum removes the deltas that were compacted is left to chance.
    database.execute("VACUUM task_changes").await;
    let mut explainer = Explainer::new(&database).await;
    for (first, known) in KNOWN.into_iter().enumerate() {
        let begin = format!("BEGIN; {}", explainer.as_owner(known));
        explainer.connection.batch_execute(&begin).await.unwrap();
        check(&mut explainer, known, first, 5).await;
        explainer
            .connection
            .batch_execute("ROLLBACK")
            .await
            .unwrap();
    }
    let vacuum = "VACUUM ANALYZE tasks, task_search, task_targets, task_labels";
    database.execute(vacuum).await;
    check(&mut explainer, vacuum, 0, 1).await;
}

/// Explains every `step`th list of each case with these statistics; which is the first one depends on `skip` and the case.
async fn check(explainer: &mut Explainer, known: &str, skip: usize, step: usize) {
    for (number, case) in cases().into_iter().enumerate() {
        for query in queries(&case.filter)
            .into_iter()
            .skip((skip + number) % step)
            .step_by(step)
        {
            let (plan, nested) = explainer.plans(&query).await;
            let shown = || {
                let nested: String = nested.iter().map(|n| outline(n, 1)).collect();
                format!("{known}: {query:?}\n{}\n{nested}", outline(&plan, 0))
            };
            let all = || nested.iter().chain([&plan]);
            for node in all().flat_map(nodes) {
                let kind = node["Node Type"].as_str().unwrap();
                let is_wrong = kind.contains("Seq Scan") || kind.starts_with("Gather");
                assert!(!is_wrong, "{}", shown());
            }
            for (table, most) in [
                // The rows of the page are read once more, by their ids.
                ("tasks", case.tasks + ROWS),
                ("task_targets", case.targets),
                ("task_search", case.names),
                ("task_labels", case.labels),
                ("task_segments", 0.0),
                ("task_changes", 0.0),
            ] {
                let read: f64 = all().map(|plan| rows_read(plan, table)).sum();
                assert!(
                    read <= most,
                    "reads {read} of {table}, at most {most}: {}",
                    shown()
                );
            }
            // It does not scan an index from end to end for one row or for none.
            let most = 300.0 + 5.0 * (case.tasks + case.targets + case.names + case.labels);
            let blocks = explainer.pages(&query, &plan, most).await;
            assert!(blocks <= most, "reads {blocks} pages: {}", shown());
        }
    }
}
