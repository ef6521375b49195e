//! Fuzzing on stable Rust: the stored inputs of `tests/corpus`, then mutations of them.
//!
//! Instead of the coverage of code, which needs a nightly compiler, the outcomes lead the mutations: an input with an
//! outcome that no input before had is mutated further. The random numbers are seeded, so a run repeats.

use std::{
    collections::HashSet,
    env,
    ops::Deref,
    time::{Duration, Instant},
};

use fastrand::Rng;

/// How long each of the seven targets is fuzzed: a minute together.
const SECONDS: u64 = 9;
const MOST_BYTES: usize = 16 << 10;
/// How many inputs with new outcomes are kept.
const MOST_INPUTS: usize = 5_000;
/// Values at which parsers fail, besides the words of the corpus.
const WORDS: [&str; 26] = [
    "0",
    "-1",
    "9",
    "127",
    "255",
    "256",
    "1000",
    "1001",
    "32768",
    "65535",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "1e9",
    "NaN",
    "null",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "é",
    "任务",
    "🦀",
    "\r\n",
    "%",
];

/// The inputs of one target.
pub struct Fuzz {
    target: &'static str,
    pub random: Rng,
    inputs: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    outcomes: HashSet<String>,
    stored: usize,
    tried: usize,
    end: Instant,
}

/// An input, which is printed if the test fails while it exists.
pub struct Input {
    target: &'static str,
    bytes: Vec<u8>,
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let line = self.bytes.escape_ascii();
            let target = self.target;
            eprintln!("To repeat it, add this line to tests/corpus/{target}.txt:\n{line}");
        }
    }
}

impl Fuzz {
    /// Begins with the corpus of `target` and with `seeds`.
    pub fn new(target: &'static str, seeds: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let path = format!("{}/tests/corpus/{target}.txt", env!("CARGO_MANIFEST_DIR"));
        let corpus = std::fs::read_to_string(&path).unwrap();
        let mut inputs: Vec<_> = corpus.lines().map(unescape).collect();
        inputs.extend(seeds);
        let texts = inputs.iter();
        let mut words: Vec<_> = texts
            .flat_map(|input| input.split(|byte| !is_of_word(*byte)))
            .filter(|word| !word.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        words.sort();
        words.dedup();
        words.extend(WORDS.map(|word| word.as_bytes().to_vec()));
        let number =
            |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().unwrap());
        Self {
            target,
            random: Rng::with_seed(number("FUZZ_SEED", 1)),
            stored: inputs.len(),
            inputs,
            words,
            outcomes: HashSet::new(),
            tried: 0,
            end: Instant::now() + Duration::from_secs(number("FUZZ_SECONDS", SECONDS)),
        }
    }

    /// The next input: each stored one, then mutations until the time is over.
    pub fn next(&mut self) -> Option<Input> {
        self.tried += 1;
        let bytes = match self.tried {
            n if n <= self.stored => self.inputs[n - 1].clone(),
            _ if Instant::now() >= self.end => {
                let (target, tried) = (self.target, self.tried - 1);
                println!("{target}: {tried} inputs, {} outcomes", self.outcomes.len());
                return None;
            }
            _ => self.mutated(),
        };
        Some(Input {
            target: self.target,
            bytes,
        })
    }

    /// Keeps the input for further mutations if its outcome, without indexes, is new.
    pub fn outcome(&mut self, input: &Input, mut outcome: String) {
        outcome.retain(|char| !char.is_ascii_digit());
        if self.inputs.len() < MOST_INPUTS && self.outcomes.insert(outcome) {
            self.inputs.push(input.to_vec());
        }
    }

    fn mutated(&mut self) -> Vec<u8> {
        let Self {
            random,
            inputs,
            words,
            ..
        } = self;
        let mut bytes = inputs[random.usize(..inputs.len())].clone();
        for _ in 0..=random.usize(..4) {
            let from = random.usize(..=bytes.len());
            let to = bytes.len().min(from + random.usize(1..9));
            let word = &words[random.usize(..words.len())];
            match random.u8(..8) {
                0 if from < to => bytes[from] ^= 1 << random.u8(..8),
                1 if from < to => bytes[from] = random.u8(..),
                2 => drop(bytes.drain(from..to)),
                3 => {
                    let part = bytes[from..to].repeat(1 << random.u32(..9));
                    bytes.splice(from..from, part);
                }
                4 => drop(bytes.splice(from..to, word.iter().copied())),
                5 | 6 => {
                    // A whole word in the place of another one.
                    let begin = bytes[..from].iter().rposition(|byte| !is_of_word(*byte));
                    let length = bytes[from..].iter().position(|byte| !is_of_word(*byte));
                    let begin = begin.map_or(0, |at| at + 1);
                    let end = length.map_or(bytes.len(), |length| from + length);
                    bytes.splice(begin..end, word.iter().copied());
                }
                _ => {
                    let other = &inputs[random.usize(..inputs.len())];
                    bytes.truncate(from);
                    bytes.extend(&other[random.usize(..=other.len())..]);
                }
            }
        }
        bytes.truncate(MOST_BYTES);
        bytes
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The bytes of a line of the corpus, which `escape_ascii` wrote.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}
