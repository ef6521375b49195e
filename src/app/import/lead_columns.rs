//! The columns of lead lists: how users name them, and the headers by which they are found.

use super::{field::Field, words};
use crate::domain::fields::TaskField;

/// Headers of customers, besides those of the field `target` in files of tasks.
const CUSTOMER_HEADERS: [&str; 13] = [
    "customer_id",
    "customer",
    "phone",
    "phone_number",
    "mobile",
    "telephone",
    "手机",
    "手机号码",
    "客户编号",
    "客户号",
    "客户ID",
    "电话号码",
    "联系电话",
];

/// A column of a table, as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// The column with this header.
    Header(String),
    /// The column with this number, from 1.
    Number(usize),
}

impl Column {
    /// Reads a number or a header.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("must be a header or a number".to_owned()),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse() {
                Ok(number) if number > 0 => Ok(Self::Number(number)),
                _ => Err("must be a header, or a number from 1".to_owned()),
            },
            header => Ok(Self::Header(header.to_owned())),
        }
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(header) => f.write_str(header),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Which columns of a lead list hold what.
#[derive(Debug, Clone, Default)]
pub struct LeadColumns {
    /// The task of all customers; if `None`, a column holds the task of each.
    pub task_id: Option<String>,
    /// The column of the customers; found by its header if `None`.
    pub customer: Option<Column>,
    /// The column of the tasks; found by its header if `None`. Not used if `task_id` is given.
    pub task: Option<Column>,
    /// Whether the first row is a header; if `None`, it is one if none of its cells has a digit, or if one of them is a known
    /// header or the name of a column.
    pub header: Option<bool>,
}

/// Whether a header is one that lists have for the customers.
pub(super) fn is_known_customer(header: &str) -> bool {
    let mut known = CUSTOMER_HEADERS.iter();
    words::field(header) == Some(Field::Task(TaskField::Target))
        || known.any(|known| words::is_same(known, header))
}

/// Whether a header is one that lists have for the tasks.
pub(super) fn is_known_task(header: &str) -> bool {
    words::field(header) == Some(Field::Task(TaskField::TaskId))
}
