//! Rates of quotas: an amount within a window of time, as `100/s`, `5000/10m` or, for database time, `2s/s`.

use std::{fmt, time::Duration};

/// The longest window of a rate: a day.
const MOST_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// The forms that [`Limit::parse`] accepts, for error messages.
const CALLS_FORM: &str =
    "a whole number from 1 to 2147483647, a slash and a time, such as 100/s, 5000/10s or 20000/m";
const COST_FORM: &str =
    "a time of at least 1ms, a slash and a time, such as 2s/s, 500ms/s or 30s/10s";
const WINDOW_FORM: &str = "the time after the slash must be whole seconds, from 1s to 24h";

/// An amount within a window. It is both the size of a token bucket and the amount that flows into it in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    amount: u64,
    /// In whole seconds.
    window: Duration,
}

/// A limit of a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Limit {
    /// No limit.
    #[default]
    Off,
    /// At most this much.
    At(Rate),
}

/// What a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Calls.
    Calls,
    /// Microseconds of database time.
    Cost,
}

impl Unit {
    /// An amount as callers see it: calls, or milliseconds of database time.
    pub fn shown(self, amount: u64) -> u64 {
        match self {
            Self::Calls => amount,
            Self::Cost => amount / 1000,
        }
    }
}

impl Rate {
    /// `amount` within `window`; the amount is at least 1, the window at least a second.
    pub fn new(amount: u64, window: Duration) -> Self {
        Self {
            amount: amount.max(1),
            window: Duration::from_secs(window.as_secs().max(1)),
        }
    }

    /// The amount, in calls or in microseconds of database time.
    pub fn amount(self) -> u64 {
        self.amount
    }

    /// The window: whole seconds, at least one.
    pub fn window(self) -> Duration {
        self.window
    }
}

impl Limit {
    /// Parses a limit as its `Display` for this unit writes it: `off`, or a rate. Returns the error as the end of a
    /// sentence.
    pub fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let form = match unit {
            Unit::Calls => CALLS_FORM,
            Unit::Cost => COST_FORM,
        };
        let bad = || format!("must be off, or {form}");
        let (amount, window) = text.split_once('/').ok_or_else(bad)?;
        let amount = match unit {
            Unit::Calls => amount.parse().ok(),
            Unit::Cost => humantime::parse_duration(amount)
                .ok()
                .and_then(whole_millis),
        };
        // Both units fit into the int32 of `GetQuota`; database time is reported in milliseconds.
        let most = match unit {
            Unit::Calls => i32::MAX as u64,
            Unit::Cost => i32::MAX as u64 * 1000,
        };
        let amount = amount.filter(|n| (1..=most).contains(n)).ok_or_else(bad)?;
        // `s` stands for `1s`.
        let window = match window.starts_with(|c: char| c.is_ascii_digit()) {
            true => humantime::parse_duration(window),
            false => humantime::parse_duration(&format!("1{window}")),
        };
        let window = window.map_err(|_| bad())?;
        if window.is_zero() || window > MOST_WINDOW || window.subsec_nanos() > 0 {
            return Err(WINDOW_FORM.to_owned());
        }
        Ok(Self::At(Rate::new(amount, window)))
    }

    /// The limit as [`Limit::parse`] reads it.
    pub fn text(self, unit: Unit) -> String {
        let Self::At(Rate { amount, window }) = self else {
            return "off".to_owned();
        };
        let amount = match unit {
            Unit::Calls => amount.to_string(),
            Unit::Cost => Short(Duration::from_micros(amount)).to_string(),
        };
        format!("{amount}/{}", Short(window))
    }

    /// What both limits allow: the smaller amount at once, and the slower flow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (Self::At(own), Self::At(others)) = (self, other) else {
            return match self {
                Self::Off => other,
                Self::At(_) => self,
            };
        };
        let is_slower = |a: Rate, b: Rate| {
            u128::from(a.amount) * b.window.as_millis()
                <= u128::from(b.amount) * a.window.as_millis()
        };
        let slower = if is_slower(own, others) { own } else { others };
        let amount = own.amount.min(others.amount);
        // The window in which the amount flows in, rounded up to whole seconds, or down with what flows in by then: the one that
        // comes closer. Neither is longer than that of the slower limit.
        let (flow, window) = (
            u128::from(slower.amount),
            u128::from(slower.window.as_secs()),
        );
        let exact = u128::from(amount) * window;
        let (longer, shorter) = (exact.div_ceil(flow), exact / flow);
        let less = flow * shorter / window;
        let (amount, seconds) = match less * longer > u128::from(amount) * shorter {
            true => (less, shorter),
            false => (u128::from(amount), longer),
        };
        Self::At(Rate::new(
            amount as u64,
            Duration::from_secs(seconds as u64),
        ))
    }

    /// Whether this limit allows nothing that `other` does not: neither more at once nor more in the long run.
    pub fn is_within(self, other: Self) -> bool {
        self.and(other) == self
    }

    /// The rate; `None` if there is no limit.
    pub fn rate(self) -> Option<Rate> {
        match self {
            Self::Off => None,
            Self::At(rate) => Some(rate),
        }
    }
}

/// A time in microseconds; `None` unless it is a whole number of milliseconds.
fn whole_millis(time: Duration) -> Option<u64> {
    let micros = u64::try_from(time.as_micros()).ok()?;
    let is_whole = time.subsec_nanos().is_multiple_of(1_000_000);
    is_whole.then_some(micros)
}

/// Writes a time in one unit, the largest that needs no fraction.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let unit = units.iter().find(|(size, _)| millis.is_multiple_of(*size));
        let (size, unit) = unit.copied().unwrap_or((1, "ms"));
        write!(f, "{}{unit}", millis / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_back() {
        for (text, unit, amount, seconds, again) in [
            ("100/s", Unit::Calls, 100, 1, "100/1s"),
            ("5000/10s", Unit::Calls, 5000, 10, "5000/10s"),
            ("1/m", Unit::Calls, 1, 60, "1/1m"),
            (
                "2147483647/24h",
                Unit::Calls,
                2_147_483_647,
                86_400,
                "2147483647/24h",
            ),
            ("2s/s", Unit::Cost, 2_000_000, 1, "2s/1s"),
            ("500ms/90s", Unit::Cost, 500_000, 90, "500ms/90s"),
            ("1m 30s/1h", Unit::Cost, 90_000_000, 3600, "90s/1h"),
        ] {
            let limit = Limit::parse(text, unit).expect(text);
            let rate = limit.rate().expect(text);
            assert_eq!(
                (rate.amount(), rate.window().as_secs()),
                (amount, seconds),
                "{text}"
            );
            assert_eq!(limit.text(unit), again);
            assert_eq!(Limit::parse(again, unit), Ok(limit));
        }
        assert_eq!(Limit::parse("off", Unit::Cost), Ok(Limit::Off));
        assert_eq!(Limit::Off.text(Unit::Calls), "off");
    }

    #[test]
    fn a_limit_is_within_another() {
        let limit = |text| Limit::parse(text, Unit::Calls).expect(text);
        for (own, other, is_within) in [
            ("100/s", "off", true),
            ("off", "off", true),
            ("off", "100/s", false),
            ("100/s", "100/s", true),
            ("101/s", "100/s", false),
            ("100/10s", "100/s", true),
            // Fewer at once, but more in the long run; and the other way round.
            ("99/s", "100/10s", false),
            ("500/10s", "100/s", false),
            ("10/s", "600/m", true),
        ] {
            assert_eq!(
                limit(own).is_within(limit(other)),
                is_within,
                "{own} {other}"
            );
        }
    }

    #[test]
    fn two_limits_together_allow_what_both_do() {
        let limit = |text| Limit::parse(text, Unit::Calls).expect(text);
        for (own, other, both) in [
            ("off", "off", "off"),
            ("off", "100/s", "100/1s"),
            ("100/s", "off", "100/1s"),
            ("50/1h", "20/s", "20/24m"),
            ("30/s", "7/90s", "7/90s"),
            // 40 at once, and 50 in 70 s afterwards: 40 in 56 s.
            ("50/70s", "40/s", "40/56s"),
            ("50/7s", "49/s", "49/7s"),
            ("10000/10s", "1001/s", "1000/1s"),
            ("100/10s", "11/s", "10/1s"),
        ] {
            for (a, b) in [(own, other), (other, own)] {
                let and = limit(a).and(limit(b));
                assert_eq!(and.text(Unit::Calls), both, "{a} {b}");
                assert!(and.is_within(limit(a)) && and.is_within(limit(b)));
            }
        }
    }

    #[test]
    fn a_malformed_limit_is_refused() {
        let calls = [
            "",
            "100",
            "/s",
            "0/s",
            "-1/s",
            "1.5/s",
            "100/",
            "100/0s",
            "100/ms",
            "100/1500ms",
            "100/25h",
            "2147483648/s",
            "99999999999999999999/s",
            "100/s/s",
            "1s/s",
            "Off",
        ];
        for text in calls {
            assert!(Limit::parse(text, Unit::Calls).is_err(), "{text}");
        }
        for text in [
            "0s/s",
            "100/s",
            "1us/s",
            "1500us/s",
            "s/s",
            "2s",
            "600000h/s",
        ] {
            assert!(Limit::parse(text, Unit::Cost).is_err(), "{text}");
        }
    }
}
