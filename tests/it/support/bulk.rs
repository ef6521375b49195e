//! Actions on all tasks of a filter, as the tests send them.

use outbound_tasks::pb::{
    BulkChangeOutboundTasksRequest, BulkChangeOutboundTasksResponse, TaskAction, TaskFilter,
    TaskStatus,
};
use tonic::Status;

use super::client::Client;

pub type Bulk = BulkChangeOutboundTasksRequest;

pub async fn change(
    client: &Client,
    bulk: Bulk,
) -> Result<BulkChangeOutboundTasksResponse, Status> {
    let changed = client.bulk_change_outbound_tasks(bulk).await?;
    Ok(changed.into_inner())
}

/// The same, with the number of tasks that a dry run reports as the expected number.
pub async fn change_all(client: &Client, bulk: Bulk) {
    let reported = change(client, dry(&bulk)).await.unwrap();
    let bulk = Bulk {
        expected_count: Some(reported.changed_count),
        ..bulk
    };
    change(client, bulk).await.unwrap();
}

pub fn of_status(status: &[TaskStatus], action: TaskAction) -> Bulk {
    Bulk {
        filter: Some(TaskFilter {
            status: status.iter().map(|s| *s as i32).collect(),
            ..Default::default()
        }),
        action: action as i32,
        ..Default::default()
    }
}

pub fn dry(bulk: &Bulk) -> Bulk {
    Bulk {
        dry_run: true,
        ..bulk.clone()
    }
}
