//! The id of a tenant.

use std::fmt;

/// A tenant's id: 1 to 40 lower-case letters, digits and hyphens, starting with a letter or digit.
///
/// Every query is restricted to one tenant. [`TenantId::parse`] is the only constructor, so an id is always
/// well-formed. The limited alphabet allows key ids to begin with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(String);

impl TenantId {
    /// Validates an id; the error states the rule.
    pub fn parse(id: &str) -> Result<Self, String> {
        let good = (1..=40).contains(&id.len())
            && !id.starts_with('-')
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if good {
            Ok(Self(id.to_owned()))
        } else {
            Err("must be 1 to 40 of a-z, 0-9 and -, and start with a letter or digit".to_owned())
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
