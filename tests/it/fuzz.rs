//! Parsers of untrusted texts, fuzzed: times and tokens. What is accepted reads back as the same value.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use chrono_tz::TZ_VARIANTS;
use hmac::{Hmac, KeyInit, Mac};
use outbound_tasks::{
    domain::{
        fields::OrderBy,
        filter::{FilterRequest, TaskFilter},
        micros::Micros,
        order::{Direction, SortValue, TaskOrder},
        page::{Position, TokenKey},
        time::{self, Moment},
        watch::{LogPosition, WatchRequest, WatchStart},
    },
    error::Violations,
};
use sha2::Sha256;
use strum::VariantArray;

use crate::support::fuzz::Fuzz;

const KEY: [u8; 32] = [7; 32];

#[test]
fn every_time_reads_back() {
    let mut fuzz = Fuzz::new("times", []);
    while let Some(input) = fuzz.next() {
        let text = String::from_utf8_lossy(&input);
        let parsed = Moment::parse(&text);
        match &parsed {
            Ok(Moment::Instant(instant)) => assert_reads_back(*instant),
            Ok(Moment::Day(day)) => {
                for form in ["%Y-%m-%d", "%Y%m%d"] {
                    let again = day.format(form).to_string();
                    assert_eq!(Moment::parse(&again), Ok(Moment::Day(*day)), "{again}");
                }
            }
            Err(_) => {}
        }
        if let Ok(moment) = parsed {
            let zone = TZ_VARIANTS[fuzz.random.usize(..TZ_VARIANTS.len())];
            let (start, end) = (moment.as_start(zone), moment.as_end(zone));
            assert!(start <= end, "{zone}: {start} to {end}");
            let bounds = time::bounds(Some(moment), Some(moment), zone);
            assert_eq!(bounds, Ok((Some(start), Some(end))), "{zone}");
        }
        // The same bytes as a Timestamp.
        if let Some((seconds, rest)) = input.split_first_chunk()
            && let Some((nanos, _)) = rest.split_first_chunk()
        {
            // Most of all seconds are out of range.
            let seconds = i64::from_be_bytes(*seconds) >> fuzz.random.u32(..64);
            if let Ok(instant) = time::from_unix(seconds, i32::from_be_bytes(*nanos)) {
                assert_reads_back(instant);
                assert_eq!(instant.timestamp(), seconds);
            }
        }
        let outcome = parsed.as_ref().map_or_else(
            |why| format!("{:?}", why.code()),
            |moment| matches!(moment, Moment::Day(_)).to_string(),
        );
        fuzz.outcome(&input, outcome);
    }
}

fn assert_reads_back(instant: DateTime<Utc>) {
    let (mut rfc3339, mut compact) = (Vec::new(), Vec::new());
    let micros = Micros::from(instant);
    micros.push_rfc3339(&mut rfc3339);
    micros.push_compact(&mut compact);
    for (text, written) in [
        (time::to_rfc3339(instant), rfc3339),
        (time::to_compact(instant), compact),
    ] {
        assert_eq!(Moment::parse(&text), Ok(Moment::Instant(instant)), "{text}");
        assert_eq!(text.as_bytes(), written);
    }
}

/// Bytes with the checksum that a forger does not know, so that what stands behind it is reached.
fn sealed(body: &[u8]) -> String {
    let mut hmac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    hmac.update(body);
    let mac = hmac.finalize().into_bytes();
    URL_SAFE_NO_PAD.encode([body, &mac[..16]].concat())
}

/// The version and the fingerprint of a token.
fn head(token: &str) -> Vec<u8> {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes.truncate(9);
    bytes
}

struct Tokens {
    key: TokenKey,
    filter: TaskFilter,
}

const WORDS: [&str; 2] = ["targets", "t1"];

impl Tokens {
    /// Opens a token of each kind and seals what it holds again. `None` where it was refused.
    fn again(&self, token: &str) -> Vec<Option<String>> {
        let mut again = Vec::new();
        for order in orders() {
            let opened = self.key.open(token, Some((&self.filter, order)));
            let position = opened.ok().flatten();
            again.push(position.map(|p| self.key.seal(&self.filter, order, &p)));
        }
        let watch = WatchRequest {
            filter: self.filter.clone(),
            resume_token: token.to_owned(),
            ..WatchRequest::default()
        };
        again.push(match watch.check(&self.key, Violations::new()) {
            Ok(query) => match query.start {
                WatchStart::After(position) => Some(self.key.seal_watch(&self.filter, &position)),
                _ => None,
            },
            Err(_) => None,
        });
        let mut violations = Violations::new();
        let number = self.key.open_number(token, &WORDS, &mut violations);
        assert_eq!(number.is_none(), token.is_empty() || !violations.is_empty());
        again.push(number.map(|number| self.key.seal_number(&WORDS, number)));
        again
    }

    /// The heads of tokens of each kind; those of a watch have two versions.
    fn heads(&self) -> Vec<Vec<u8>> {
        let mut heads = Vec::new();
        for order in orders() {
            let position = Position {
                value: SortValue::TaskId,
                task_id: String::new(),
            };
            heads.push(head(&self.key.seal(&self.filter, order, &position)));
        }
        let watch = head(&self.key.seal_watch(&self.filter, &LogPosition::default()));
        heads.push(watch.clone());
        heads.push([&[4], &watch[1..]].concat());
        heads.push(head(&self.key.seal_number(&WORDS, 0)));
        heads
    }
}

fn orders() -> impl Iterator<Item = TaskOrder> {
    OrderBy::VARIANTS.iter().map(|by| TaskOrder {
        by: *by,
        direction: Direction::Ascending,
    })
}

#[test]
fn every_token_reads_back_and_no_damaged_one_is_read() {
    let tokens = Tokens {
        key: TokenKey::from_bytes(&KEY).unwrap(),
        filter: FilterRequest::default().check("", &mut Violations::new()),
    };
    let heads = tokens.heads();
    // What a token holds, and whole tokens.
    let whole = heads
        .iter()
        .map(|head| sealed(&[&head[..], &[0; 32]].concat()));
    let whole: Vec<_> = whole.map(String::into_bytes).collect();
    let mut fuzz = Fuzz::new("tokens", whole.clone());
    while let Some(input) = fuzz.next() {
        let mut outcome = String::new();
        for (kind, head) in heads.iter().enumerate() {
            let token = sealed(&[head, &input[..]].concat());
            for (other, again) in tokens.again(&token).into_iter().enumerate() {
                let Some(again) = again else { continue };
                outcome.extend([kind, other].map(|n| char::from(b'a' + n as u8)));
                // A position between two messages that has no step is written as a level one.
                match again == token {
                    true => {}
                    false => assert_eq!(tokens.again(&again)[other].as_ref(), Some(&again)),
                }
            }
        }
        if let Ok(token) = std::str::from_utf8(&input)
            && tokens.again(token).iter().any(Option::is_some)
        {
            assert!(whole.contains(&input.to_vec()), "a damaged token is read");
        }
        fuzz.outcome(&input, outcome);
    }
}
