//! Numbers of targets as messages, and back.

use crate::{
    domain::target::{TargetCounts, TargetSums},
    pb,
};

pub(super) fn target_counts(counts: TargetCounts) -> pb::TargetCounts {
    let TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    } = counts;
    pb::TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    }
}

pub(super) fn read_target_counts(counts: pb::TargetCounts) -> TargetCounts {
    let pb::TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    } = counts;
    TargetCounts {
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    }
}

pub(super) fn target_sums(sums: TargetSums) -> pb::TargetSums {
    let TargetSums {
        total,
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    } = sums;
    pb::TargetSums {
        total,
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    }
}

pub(crate) fn read_target_sums(sums: pb::TargetSums) -> TargetSums {
    let pb::TargetSums {
        total,
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    } = sums;
    TargetSums {
        total,
        pending,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    }
}
