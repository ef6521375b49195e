//! Page tokens: each is valid for its own list only.

use outbound_tasks::pb::{DateRange, ListOutboundTasksRequest, TaskStatus};
use prost_types::{FieldMask, Timestamp};
use tonic::Code;

use crate::support::{
    server::{Server, request_with},
    tasks::task,
};

/// Tokens of another tenant, filter, order or version, and damaged tokens, are refused. None restarts the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_valid_for_its_own_list_only() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let tasks: Vec<_> = (0..9)
        .map(|n| {
            task(
                &format!("任务{n}"),
                "2023-03-01T10:00:00Z",
                "2023-03-01T11:00:00Z",
                "running",
            )
        })
        .collect();
    server.import(&tasks).await;
    server.import_as("other", &tasks).await;
    let mut grpc = server.grpc().await;
    let first = ListOutboundTasksRequest {
        limit: 2,
        ..Default::default()
    };
    let page = grpc
        .list_outbound_tasks(server.request(first.clone()))
        .await
        .unwrap()
        .into_inner();
    let token = page.next_page_token;
    let next = ListOutboundTasksRequest {
        page_token: token.clone(),
        ..first
    };

    // The same list, with another limit and target_limit, and with equivalent filters.
    for same in [
        next.clone(),
        ListOutboundTasksRequest {
            limit: 3,
            target_limit: Some(0),
            status_counts: true,
            target_sums: true,
            count: 2,
            read_mask: Some(FieldMask {
                paths: vec!["task_id".into()],
            }),
            ..next.clone()
        },
        ListOutboundTasksRequest {
            status: vec![1, 2, 3, 4, 5, 6, 6],
            order_by: 1,
            order: 1,
            ..next.clone()
        },
        ListOutboundTasksRequest {
            date_range: Some(DateRange::default()),
            date_field: 5,
            ..next.clone()
        },
    ] {
        let page = grpc
            .list_outbound_tasks(server.request(same))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(page.tasks[0].task_id, "任务2");
    }
    let running = vec![TaskStatus::Running as i32];
    let since = Some(DateRange {
        start: Some(Timestamp::default()),
        end: None,
    });
    for foreign in [
        ListOutboundTasksRequest {
            status: running,
            ..next.clone()
        },
        ListOutboundTasksRequest {
            order: 2,
            ..next.clone()
        },
        ListOutboundTasksRequest {
            order_by: 2,
            ..next.clone()
        },
        ListOutboundTasksRequest {
            date_range: since,
            ..next.clone()
        },
        ListOutboundTasksRequest {
            page: 1,
            ..next.clone()
        },
        ListOutboundTasksRequest {
            customer_id: "a".into(),
            ..next.clone()
        },
        ListOutboundTasksRequest {
            name: "a".into(),
            ..next.clone()
        },
        ListOutboundTasksRequest {
            task_ids: vec!["a".into()],
            ..next.clone()
        },
    ] {
        let status = grpc
            .list_outbound_tasks(server.request(foreign))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    let status = grpc
        .list_outbound_tasks(request_with(&other, next.clone()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);

    // Every byte changed, every truncation, and random bytes.
    let mut damaged: Vec<String> = (0..token.len())
        .map(|at| token[..at].to_owned())
        .filter(|t| !t.is_empty())
        .collect();
    damaged.extend((0..token.len()).map(|at| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    }));
    damaged.extend([
        format!("{token}A"),
        format!("{token}="),
        format!(" {token}"),
        "é".repeat(900),
        "A".repeat(100_000),
    ]);
    let mut random = fastrand::Rng::with_seed(1);
    damaged.extend((0..300).map(|_| {
        let length = random.usize(1..400);
        (0..length).map(|_| random.alphanumeric()).collect()
    }));
    for page_token in damaged {
        let message = ListOutboundTasksRequest {
            page_token,
            ..next.clone()
        };
        match grpc
            .list_outbound_tasks(server.request(message.clone()))
            .await
        {
            Err(status) => assert_eq!(status.code(), Code::InvalidArgument),
            Ok(_) => panic!("accepted {:?}", message.page_token),
        }
    }
}

/// Filters with equal concatenated texts are still different filters.
#[tokio::test(flavor = "multi_thread")]
async fn filters_with_similar_texts_have_different_tokens() {
    let server = Server::start().await;
    let start = "2023-03-01T10:00:00Z";
    let tasks = ["1a", "1b", "1a1b", "a", "b"].map(|id| {
        let mut task = task(id, start, start, "running");
        task["labels"] = serde_json::json!({"a": "b", "b": "", "ab": "1"});
        task
    });
    server.import(&tasks).await;
    let mut grpc = server.grpc().await;
    let by_ids = |ids: &[&str]| ListOutboundTasksRequest {
        limit: 1,
        task_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    let named = |name: &str, ids: &[&str]| ListOutboundTasksRequest {
        name: name.to_owned(),
        ..by_ids(ids)
    };
    let labelled = |labels: &[&str]| ListOutboundTasksRequest {
        limit: 1,
        label: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..Default::default()
    };
    let lists = [
        labelled(&["a", "b"]),
        labelled(&["a=b"]),
        labelled(&["ab"]),
        by_ids(&["1a", "1b"]),
        by_ids(&["1a1b", "a"]),
        by_ids(&["1a", "1b", "a"]),
        named("1", &[]),
        named("a", &[]),
        named("a", &["1a", "a"]),
        by_ids(&[]),
    ];
    let mut tokens = Vec::new();
    for list in &lists {
        let page = grpc.list_outbound_tasks(server.request(list.clone())).await;
        let token = page.unwrap().into_inner().next_page_token;
        assert!(!token.is_empty());
        tokens.push(token);
    }
    for (at, list) in lists.iter().enumerate() {
        for (of, token) in tokens.iter().enumerate() {
            let request = ListOutboundTasksRequest {
                page_token: token.clone(),
                ..list.clone()
            };
            let page = grpc.list_outbound_tasks(server.request(request)).await;
            assert_eq!(
                page.is_ok(),
                at == of,
                "the token of list {of} in list {at}"
            );
        }
    }
}
