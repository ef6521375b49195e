//! The SQL text of lists of tasks that need attention; see `statements`.

use outbound_tasks::domain::{
    attention::{Attention, StalledAfter},
    list::ListQuery,
    page::Start,
    status::TaskStatus,
};
use strum::VariantArray;

use crate::{
    statements::{ASCENDING, Sheet, describe, list, query},
    support::asked::{Asked, LOOKUPS},
};

#[test]
fn the_statements_of_attention_are_these() {
    let mut sheet = Sheet::default();
    let mut add = |asked: Asked, changed: fn(&mut ListQuery)| {
        let mut query = query(asked.filter(), ASCENDING, Start::Offset(0));
        changed(&mut query);
        sheet.add(describe(asked, &query), list(&query));
    };
    let counted = |query: &mut ListQuery| {
        query.attention_counts = Some(StalledAfter { seconds: 900 });
    };
    let all = Asked::default();
    add(all, counted);
    add(all, |query| {
        (query.status_counts, query.target_sums) = (true, true);
        query.attention_counts = Some(StalledAfter { seconds: 900 });
    });
    for kinds in Attention::VARIANTS.chunks(1).chain([Attention::VARIANTS]) {
        let attention = kinds;
        add(Asked { attention, ..all }, |_| {});
    }
    // With the lookups that come before and after it.
    for lookup in LOOKUPS.into_iter().skip(1).take(3) {
        let asked = Asked {
            statuses: &[TaskStatus::Running],
            lookup,
            attention: &[Attention::Overdue, Attention::Stalled],
            ..all
        };
        add(asked, |_| {});
        add(asked, counted);
    }
    insta::assert_snapshot!("attention", sheet.finish());
}
