//! A small builder for SQL that diesel's typed one cannot express: row comparisons, LATERAL, array slices.
//!
//! [`sql!`] takes the text of a statement with its values in place:
//!
//! ```text
//! sql!(out, "FROM tasks t WHERE t.tenant_id = " {tenant} " AND t.status = " {status} {order})
//! ```
//!
//! - `"…"` is SQL.
//! - `{x}` is a [`Part`]: a value, which becomes the next parameter (its Rust type decides its SQL
//!   type), or a fragment, which writes its own SQL and values. `None` writes nothing.
//! - `[x]` is SQL from a constant, as the name of a column. Its type is `&'static str`: no input of
//!   a caller can become SQL.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Binary, Integer, Nullable, SmallInt, Text, Timestamptz},
};

/// A part of a statement: a value or a fragment.
pub(super) trait Part<'b> {
    /// Adds it to the statement.
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

/// Adds the parts of a statement to an [`AstPass`]; see the module's comment.
macro_rules! sql {
    ($out:expr, $($part:tt)*) => {{
        $($crate::db::sql::sql_part!($out, $part);)*
        diesel::QueryResult::Ok(())
    }};
}

/// One part of [`sql!`].
macro_rules! sql_part {
    ($out:expr, { $part:expr }) => {
        $crate::db::sql::Part::push($part, $out)?
    };
    ($out:expr, [ $constant:expr ]) => {
        $crate::db::sql::push_constant($constant, $out)
    };
    ($out:expr, $text:literal) => {
        $out.push_sql($text)
    };
}

/// What a statement that is written with [`sql!`] returns.
macro_rules! statement {
    ($statement:ty: $row:ty) => {
        impl diesel::query_builder::Query for $statement {
            type SqlType = $row;
        }

        impl diesel::query_builder::QueryId for $statement {
            // The text can differ from query to query, so prepared statements are kept by text.
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}

pub(super) use {sql, sql_part, statement};

/// Adds SQL that is no input of a caller.
pub(super) fn push_constant(text: &'static str, out: &mut AstPass<'_, '_, Pg>) {
    out.push_sql(text);
}

/// SQL from a constant, where a [`Part`] is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constant(pub(super) &'static str);

impl<'b> Part<'b> for Constant {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.0);
        Ok(())
    }
}

impl<'b, P: Part<'b>> Part<'b> for Option<P> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.map_or(Ok(()), |part| part.push(out))
    }
}

macro_rules! values {
    ($($rust:ty => $sql:ty,)*) => {$(
        impl<'b> Part<'b> for &'b $rust {
            fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_bind_param::<$sql, _>(self)
            }
        }
    )*};
}

values! {
    str => Text,
    i16 => SmallInt,
    i32 => Integer,
    i64 => BigInt,
    DateTime<Utc> => Timestamptz,
    [u8] => Binary,
    [i16] => Array<SmallInt>,
    [i32] => Array<Integer>,
    [i64] => Array<BigInt>,
    [String] => Array<Text>,
    [Option<String>] => Array<Nullable<Text>>,
    [DateTime<Utc>] => Array<Timestamptz>,
    [Option<DateTime<Utc>>] => Array<Nullable<Timestamptz>>,
}

/// A nullable array.
impl<'b> Part<'b> for &'b Option<Vec<String>> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Nullable<Array<Text>>, _>(self)
    }
}

impl<'b> Part<'b> for &'b [&'b str] {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Text>, _>(self)
    }
}
