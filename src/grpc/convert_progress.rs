//! The progress of a task as a message.

use super::{convert_counts::target_counts, convert_value::timestamp};
use crate::{
    domain::progress::{ProgressPoint, TaskProgress},
    pb,
};

pub(super) fn response(progress: TaskProgress) -> pb::GetTaskProgressResponse {
    let TaskProgress {
        points,
        calls_per_minute,
        expected_end,
        as_of,
    } = progress;
    pb::GetTaskProgressResponse {
        points: points.into_iter().map(point).collect(),
        calls_per_minute,
        expected_end_time: expected_end.map(timestamp),
        as_of: Some(timestamp(as_of)),
    }
}

fn point(point: ProgressPoint) -> pb::TaskProgressPoint {
    pb::TaskProgressPoint {
        at: Some(timestamp(point.at)),
        progress: point.progress.into(),
        target_counts: Some(target_counts(point.counts)),
    }
}
