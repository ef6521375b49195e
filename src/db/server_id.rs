//! The identity of a PostgreSQL server.

/// A running PostgreSQL server that accepts writes: its cluster, its timeline and its start, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerId(pub(super) i64);
