//! Whether checks are worth their time.
//!
//! A check costs a third of a list statement and saves it if nothing has changed. If the tenant has changed at every
//! request, the check is lost. So after several lost checks in succession, a growing number of requests skips it.

/// So many checks in succession are lost before requests skip them.
const PATIENCE: u32 = 4;
/// The number of requests that skip the check after that. It doubles with each further lost check, up to [`MOST_SKIPPED`].
const SKIPPED: u32 = 4;
const MOST_SKIPPED: u32 = 16;

/// What the last checks of a tenant found.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// The number of lost checks in succession.
    lost: u32,
    /// The number of requests that will skip the check.
    skipped: u32,
    /// Whether a request has skipped the check since the last one. The next check covers the time since then too, so it
    /// does not say how often the tenant changes.
    is_stale: bool,
}

impl Trust {
    /// Whether the next request shall wait for a check.
    pub(super) fn wants_check(&mut self) -> bool {
        if self.skipped == 0 {
            return true;
        }
        self.skipped -= 1;
        self.is_stale = true;
        false
    }

    /// Records the result of a check.
    pub(super) fn note(&mut self, is_unchanged: bool) {
        let is_stale = std::mem::take(&mut self.is_stale);
        if is_unchanged {
            self.lost = 0;
        } else if !is_stale {
            self.lost = self.lost.saturating_add(1);
            if let Some(more) = self.lost.checked_sub(PATIENCE) {
                self.skipped = (SKIPPED << more.min(8)).min(MOST_SKIPPED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 1000 requests wait for a check, if the tenant has changed at each one or at none.
    fn checks(trust: &mut Trust, is_unchanged: bool) -> u32 {
        let mut checks = 0;
        for _ in 0..1000 {
            if trust.wants_check() {
                trust.note(is_unchanged);
                checks += 1;
            }
        }
        checks
    }

    #[test]
    fn a_tenant_that_always_changes_is_checked_seldom() {
        let mut trust = Trust::default();
        let lost = checks(&mut trust, false);
        assert!((80..150).contains(&lost), "{lost}");
        // It has come to rest.
        assert!(checks(&mut trust, true) > 900);
        assert_eq!(checks(&mut trust, true), 1000);
    }
}
