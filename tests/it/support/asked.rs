//! Filters of every form: what one asks for, in a few words and as a [`TaskFilter`].

use std::fmt::{Display, Formatter};

use chrono::{DateTime, TimeDelta, Utc};
use outbound_tasks::domain::{
    attention::Attention,
    date_range::{DateField, DateRange},
    filter::{FilterRequest, TaskFilter},
    status::TaskStatus,
    words::Word,
};

/// Which of ids, customer and name a filter has, and how many labels.
pub type Lookup = ([bool; 3], usize);
pub const LOOKUPS: [Lookup; 14] = [
    ([false, false, false], 0),
    ([true, false, false], 0),
    ([false, true, false], 0),
    ([false, false, true], 0),
    ([true, true, false], 0),
    ([true, false, true], 0),
    ([false, true, true], 0),
    ([true, true, true], 0),
    ([false, false, false], 1),
    ([false, false, false], 2),
    ([false, false, true], 1),
    ([false, false, true], 2),
    ([true, false, false], 1),
    ([false, true, true], 2),
];
pub const STATUSES: [&[TaskStatus]; 3] = [&[], &[TaskStatus::Running], &TaskStatus::ACTIVE];

pub fn time() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// No range, and every field with every form of range.
pub fn dates() -> Vec<Option<(DateField, DateRange)>> {
    let ranges = [
        DateRange::From(time()),
        DateRange::Until(time()),
        DateRange::Between(time(), time() + TimeDelta::days(1)),
    ];
    let with_range = |field| ranges.map(|range| Some((field, range)));
    let all = DateField::all().flat_map(with_range);
    [None].into_iter().chain(all).collect()
}

/// What a filter asks for.
#[derive(Clone, Copy, Default)]
pub struct Asked {
    pub statuses: &'static [TaskStatus],
    pub date: Option<(DateField, DateRange)>,
    /// Whether it names ids, a customer, a part of the name, and how many labels.
    pub lookup: Lookup,
    pub attention: &'static [Attention],
}

impl Asked {
    pub fn filter(self) -> TaskFilter {
        let (start, end) = self.date.map_or((None, None), |(_, range)| range.bounds());
        let text = |text: &str| text.to_owned();
        let ([ids, customer, name], labels) = self.lookup;
        let request = FilterRequest {
            statuses: self.statuses.iter().copied().collect(),
            date_field: self.date.map(|(field, _)| field).unwrap_or_default(),
            start,
            end,
            customer_id: customer.then(|| text("cust-1")),
            name: name.then(|| text("spring")),
            task_ids: if ids { vec![text("task-1")] } else { vec![] },
            labels: ["region=east", "vip"][..labels]
                .iter()
                .map(|l| text(l))
                .collect(),
            attention: self.attention.iter().copied().collect(),
            stalled_after: None,
        };
        let mut violations = Default::default();
        let filter = request.check("", &mut violations);
        assert!(violations.is_empty());
        filter
    }
}

impl Display for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let statuses = match self.statuses.len() {
            0 => "any status",
            1 => "one status",
            _ => "some statuses",
        };
        f.write_str(statuses)?;
        if let Some((field, range)) = self.date {
            let form = match range {
                DateRange::From(_) => "from",
                DateRange::Until(_) => "until",
                DateRange::Between(..) => "between",
            };
            write!(f, ", {} {form}", field.word())?;
        }
        let (lookup, labels) = self.lookup;
        for (name, is_named) in ["ids", "customer", "name"].into_iter().zip(lookup) {
            if is_named {
                write!(f, ", {name}")?;
            }
        }
        match labels {
            0 => {}
            1 => f.write_str(", label")?,
            _ => write!(f, ", {labels} labels")?,
        }
        for kind in self.attention {
            write!(f, ", {}", kind.word())?;
        }
        Ok(())
    }
}
