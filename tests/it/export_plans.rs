//! Exports read an index in their order: shown by the plans that PostgreSQL used.

use diesel_async::SimpleAsyncConnection;
use outbound_tasks::{
    db::list::export::ExportStatement,
    domain::{
        export::{ExportQuery, ExportRequest},
        fields::OrderBy,
        filter::{Condition, RowCondition, TaskFilter},
        order::{Direction, TaskOrder},
        tenant::TenantId,
        words::Word,
    },
};
use strum::VariantArray;

use crate::{
    explain::filters,
    support::{
        database::Database,
        explain::{Explainer, FILL, nodes, outline},
        tasks::Json,
    },
};

fn query(filter: &TaskFilter, order: TaskOrder, whole: bool) -> ExportQuery {
    let request = ExportRequest {
        filter: filter.clone(),
        order,
        target_limit: None,
    };
    let checked = match whole {
        true => request.check_whole(Default::default()),
        false => request.check(Default::default()),
    };
    checked.unwrap()
}

async fn plan(explainer: &mut Explainer, statement: ExportStatement<'_>) -> Json {
    diesel_async::RunQueryDsl::execute(statement, &mut explainer.connection)
        .await
        .unwrap();
    loop {
        let text = explainer.plans.recv().await.unwrap();
        let Some((_, json)) = text.split_once("plan:\n") else {
            continue;
        };
        let plan: Json = serde_json::from_str(json).unwrap();
        // The plans of the statements that change settings come first.
        if plan["Query Text"].as_str().unwrap().contains("FROM tasks") {
            return plan["Plan"].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_an_index_orders_sorts_nothing() {
    let database = Database::new().await;
    // An export reads all matching tasks, so a tenth of the usual number is enough.
    let fill = FILL.replace("220000", "22000");
    database.execute(&fill).await;
    database.execute("VACUUM ANALYZE tasks").await;
    let mut explainer = Explainer::new(&database).await;
    let tenant = TenantId::parse("demo").unwrap();
    let mut ordered = 0;
    for (n, filter) in filters().into_iter().enumerate() {
        for by in OrderBy::all() {
            let direction = Direction::VARIANTS[n % 2];
            let query = query(&filter, TaskOrder { by, direction }, n % 3 == 0);
            let statement = ExportStatement::new(&tenant, &query);
            let is_ordered = statement.is_ordered();
            let sort = if is_ordered { "off" } else { "on" };
            let settings =
                format!("SET enable_sort = {sort}; SET enable_incremental_sort = {sort}");
            explainer.connection.batch_execute(&settings).await.unwrap();
            let plan = plan(&mut explainer, statement).await;
            let shown = || format!("{query:?}\n{}", outline(&plan, 0));
            // The results of one task may be sorted within its aggregate.
            let kinds: Vec<_> = nodes(&plan)
                .into_iter()
                .filter(|n| n["Relation Name"] != "task_targets")
                .map(|n| n["Node Type"].as_str().unwrap())
                .collect();
            assert!(!kinds.iter().any(|k| k.contains("Seq Scan")), "{}", shown());
            let sorts = kinds.iter().filter(|k| k.contains("Sort")).count();
            ordered += usize::from(is_ordered);
            assert_eq!(sorts, usize::from(!is_ordered), "{}", shown());
            let is_merge = kinds.contains(&"Merge Append");
            let one = query.list.filter.conditions().any(|condition| {
                matches!(condition, Condition::Row(RowCondition::Status(statuses)) if statuses.iter().count() == 1)
            });
            assert!(!(is_merge && (one || !is_ordered)), "{}", shown());
        }
    }
    assert!(ordered > 80, "only {ordered} were ordered");
}
