//! The requested lists and their right answers, which come from this file's own plain SQL.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, Utc};
use outbound_tasks::domain::{
    date_range::{DateField, DateFilter, DateRange},
    fields::OrderBy,
    filter::{FilterRequest, TaskFilter},
    limits::DEFAULT_LIMIT,
    list::ListRequest,
    order::SortValue,
    order::TaskOrder,
    page::{Position, TokenKey},
    status::TaskStatus,
    words::Word,
};
use tokio_postgres::Client;

use crate::{Result, data::TENANT};

/// A requested list and its right answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    /// The request.
    pub(crate) request: ListRequest,
    /// Number of tasks that match.
    pub(crate) total: i64,
    /// The tasks of the page.
    pub(crate) ids: Vec<String>,
    /// The condition for tasks after the token's position, in SQL.
    after: Option<String>,
}

/// The filter of a list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// The statuses; empty for all.
    pub(crate) statuses: &'static [TaskStatus],
    /// A range, and the condition in SQL.
    pub(crate) range: Option<(DateField, DateTime<Utc>, DateTime<Utc>)>,
}

impl List {
    /// The first page.
    pub(crate) fn new(filter: Filter, order: TaskOrder) -> Self {
        let (field, start, end) = match filter.range {
            Some((field, start, end)) => (field, Some(start), Some(end)),
            None => (DateField::default(), None, None),
        };
        Self {
            request: ListRequest {
                filter: FilterRequest {
                    statuses: filter.statuses.iter().copied().collect(),
                    date_field: field,
                    start,
                    end,
                    ..FilterRequest::default()
                },
                order,
                ..ListRequest::default()
            },
            ..Self::default()
        }
    }

    /// The page with this number.
    pub(crate) fn page(&self, page: i64) -> Self {
        let mut list = self.clone();
        list.request.page = Some(page.max(1));
        list
    }

    /// The page after the task in the middle of the completed ones, by token. The list must have no filter.
    pub(crate) async fn after_the_middle(&self, client: &Client, key: &TokenKey) -> Result<Self> {
        let by = self.request.order.by;
        let sql = format!(
            "SELECT task_id, {0}, quote_literal({0}) FROM tasks WHERE tenant_id = '{TENANT}' AND status = 4 \
             ORDER BY {0}, task_id OFFSET {1} LIMIT 1",
            by.word(),
            self.total * 2 / 5,
        );
        let row = client.query_one(&sql, &[]).await?;
        let task_id: String = row.get(0);
        let literal: String = row.get(2);
        let value = match by {
            OrderBy::TaskId => SortValue::TaskId,
            OrderBy::Name => SortValue::Text(row.get(1)),
            OrderBy::Progress => SortValue::Number(row.get(1)),
            _ => SortValue::Time(row.get::<_, SystemTime>(1).into()),
        };
        let sign = match self.request.order.direction.word() {
            "asc" => ">",
            _ => "<",
        };
        let mut list = self.clone();
        list.after = Some(format!(
            "({}, task_id) {sign} ({literal}, '{task_id}')",
            by.word()
        ));
        list.request.page_token = key.seal(
            &TaskFilter::default(),
            self.request.order,
            &Position { value, task_id },
        );
        Ok(list)
    }

    /// Reads the right total and the right page from the database.
    pub(crate) async fn learn(&mut self, client: &Client) -> Result<()> {
        self.learn_of(client, TENANT).await
    }

    /// The same of another tenant.
    pub(crate) async fn learn_of(&mut self, client: &Client, tenant: &str) -> Result<()> {
        self.total = self.count(client, tenant).await?;
        self.learn_page_of(client, tenant).await
    }

    /// Number of a tenant's tasks that match.
    pub(crate) async fn count(&self, client: &Client, tenant: &str) -> Result<i64> {
        let total = format!("SELECT count(*) {}", self.matching(tenant));
        Ok(client.query_one(&total, &[]).await?.get(0))
    }

    /// The same with a known total.
    pub(crate) async fn learn_page(&mut self, client: &Client) -> Result<()> {
        self.learn_page_of(client, TENANT).await
    }

    async fn learn_page_of(&mut self, client: &Client, tenant: &str) -> Result<()> {
        let TaskOrder { by, direction } = self.request.order;
        let page = format!(
            "SELECT task_id {} AND {} ORDER BY {} {dir}, task_id {dir} LIMIT {DEFAULT_LIMIT} OFFSET {}",
            self.matching(tenant),
            self.after.as_deref().unwrap_or("true"),
            by.word(),
            (self.request.page.unwrap_or(1) - 1) * DEFAULT_LIMIT,
            dir = direction.word(),
        );
        let rows = client.query(&page, &[]).await?;
        self.ids = rows.iter().map(|row| row.get(0)).collect();
        Ok(())
    }

    fn matching(&self, tenant: &str) -> String {
        let FilterRequest {
            statuses,
            date_field,
            start,
            end,
            customer_id,
            name,
            task_ids,
            labels,
            // Measured by `desk`, which has its own answers.
            attention: _,
            stalled_after: _,
        } = &self.request.filter;
        let mut sql = format!("FROM tasks WHERE tenant_id = '{tenant}'");
        let statuses: Vec<String> = statuses.iter().map(|s| (s as i16).to_string()).collect();
        if !statuses.is_empty() {
            sql += &format!(" AND status IN ({})", statuses.join(", "));
        }
        if let Some(range) = DateRange::new(*start, *end) {
            let filter = DateFilter {
                field: *date_field,
                range,
            };
            sql += &range_condition(filter);
        }
        let quoted = |text: &String| format!("'{}'", text.replace('\'', "''"));
        if let Some(customer) = customer_id {
            sql += &format!(
                " AND task_id IN (SELECT task_id FROM task_targets WHERE tenant_id = '{tenant}' AND customer_id = {})",
                quoted(customer)
            );
        }
        if let Some(part) = name {
            sql += &format!(" AND strpos(lower(name), lower({})) > 0", quoted(part));
        }
        if !task_ids.is_empty() {
            let ids: Vec<String> = task_ids.iter().map(quoted).collect();
            sql += &format!(" AND task_id IN ({})", ids.join(", "));
        }
        for label in labels {
            sql += &format!(" AND {} = ANY (labels)", quoted(label));
        }
        sql
    }
}

fn range_condition(DateFilter { field, range }: DateFilter) -> String {
    let (first, last) = match field {
        DateField::Window => ("end_time >", "start_time <"),
        DateField::StartTime => ("start_time >=", "start_time <"),
        DateField::EndTime => ("end_time >=", "end_time <"),
        DateField::CreatedAt => ("created_at >=", "created_at <"),
        DateField::UpdatedAt => ("updated_at >=", "updated_at <"),
    };
    let (start, end) = range.bounds();
    let condition = |column: &str, bound: Option<DateTime<Utc>>| {
        let bound = bound.map(|time| format!(" AND {column} '{}'", time.to_rfc3339()));
        bound.unwrap_or_default()
    };
    condition(first, start) + &condition(last, end)
}

/// The first day of a month.
pub(crate) fn month(year: i32, month: u32) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(year, month, 1).expect("every month has a first day");
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}
