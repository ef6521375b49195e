//! Lists in sentences: a request can be wrong in millions of places, and an answer names a few of them.

use std::fmt;

/// How many are named.
const MOST: usize = 10;

/// The first texts of a list, and the number of the others: `a, b, and 3 more`.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    kept: Vec<String>,
    more: usize,
}

impl Listed {
    /// Adds a text, which is made only if it is one of the first.
    pub fn push(&mut self, text: impl FnOnce() -> String) {
        match self.kept.len() < MOST {
            true => self.kept.push(text()),
            false => self.more += 1,
        }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kept.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

/// Lists what `text` makes of each item.
pub fn listed<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> Listed {
    let mut all = Listed::default();
    items.into_iter().for_each(|item| all.push(|| text(item)));
    all
}
