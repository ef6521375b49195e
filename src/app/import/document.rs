//! Reads the documented response form, `{"total":…,"tasks":[…]}`, a bare list, or a list elsewhere in a document, as a
//! stream with one task in memory at a time.
//!
//! The specification's own example contains a comment, `} // ... 更多任务数据 ] }`, on a single line. Therefore `//` outside
//! of a string begins a comment, which ends at the end of the line or before the next `]`, whichever comes first.
//! [`Uncommented`] replaces comments with spaces before serde reads them, which keeps line numbers.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead, Bytes, Read},
    iter::Peekable,
    rc::Rc,
};

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected,
};
use serde_json::value::RawValue;

use super::{
    batches::{Batches, Halt},
    option_names::Advised,
    reading::Reading,
    record::{Record, from_json},
    source::Limits,
};

/// The name of the list of tasks in our own lists.
const TASKS: &str = "tasks";

/// Reads a whole document into `batches`.
pub(super) fn read(
    input: impl BufRead,
    batches: &mut Batches<Record>,
    reading: &Reading,
) -> Result<(), Halt> {
    let position = Rc::new(Position::default());
    let mut json =
        serde_json::Deserializer::from_reader(Uncommented::new(input, &position, batches.limits));
    let mut document = Document {
        batches,
        reading,
        position: &position,
        halt: None,
    };
    let root: Vec<&str> = reading.options.root.iter().map(String::as_str).collect();
    let profile = reading.options.profile;
    let paths = match profile {
        _ if !root.is_empty() => vec![root.as_slice()],
        Some(profile) if !profile.roots().is_empty() => profile.roots().to_vec(),
        _ => vec![[TASKS].as_slice()],
    };
    let seed = Part {
        document: &mut document,
        paths,
        may_be_list: root.is_empty(),
        may_be_one: profile.is_some(),
    };
    // `end` makes text after the document an error: a file of two documents would lose the second.
    let read = seed.deserialize(&mut json).and_then(|()| json.end());
    let Err(error) = read else { return Ok(()) };
    if let Some(halt) = document.halt {
        return Err(halt);
    }
    if error.is_io() {
        return Err(batches.unreadable(position.line(), &error.into()));
    }
    let what = match error.is_eof() {
        true => "the JSON document ends in the middle".to_owned(),
        false => format!("the JSON document is invalid: {error}"),
    };
    Err(batches.broken(position.line(), what))
}

/// The position in the input. serde reads one byte at a time, so it is exact to the byte.
#[derive(Default)]
struct Position {
    line_ends: Cell<u64>,
    /// The number of bytes since the previous task; limits the length of a task.
    bytes: Cell<usize>,
}

impl Position {
    /// The current line, from 1.
    fn line(&self) -> u64 {
        self.line_ends.get() + 1
    }
}

/// The whole document. `halt` receives the reason if `batches` stops the reading.
struct Document<'f> {
    batches: &'f mut Batches<Record>,
    reading: &'f Reading,
    position: &'f Position,
    halt: Option<Halt>,
}

/// The serde visitor of a part of the document: an object on the way to the list of tasks, or that list.
struct Part<'d, 'f> {
    document: &'d mut Document<'f>,
    /// The names that lead from here to the list, or to one of several lists; a path without names is the list.
    paths: Vec<&'d [&'d str]>,
    /// Whether the part may be the list although there are names left.
    may_be_list: bool,
    /// Whether a single task may stand where the list is expected.
    may_be_one: bool,
}

impl Part<'_, '_> {
    fn is_list(&self) -> bool {
        self.paths.iter().any(|path| path.is_empty())
    }

    /// The names of which the part must have one, for messages.
    fn wanted(&self) -> String {
        let names = self.paths.iter().filter_map(|path| path.first());
        let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
        names.join(" or ")
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Part<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted();
        match self.is_list() {
            true => f.write_str("a list of tasks"),
            false if self.may_be_list => {
                write!(f, "a list of tasks, or an object with the list {wanted}")
            }
            false => write!(f, "an object with {wanted}"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.is_list() {
            if !self.may_be_one {
                return Err(A::Error::invalid_type(Unexpected::Map, &self));
            }
            // The text that is put together below has no line ends.
            let line = self.document.position.line();
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                let name = serde_json::to_string(&name).map_err(A::Error::custom)?;
                members.push(format!("{name}:{}", value.get()));
            }
            let text = format!("{{{}}}", members.join(","));
            return self.document.task(&text, line);
        }
        let mut found: Vec<String> = Vec::new();
        while let Some(member) = map.next_key::<String>()? {
            let paths = self.paths.iter().filter_map(|path| {
                let (name, rest) = path.split_first()?;
                (*name == member).then_some(rest)
            });
            let paths: Vec<_> = paths.collect();
            if paths.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if found.contains(&member) {
                return Err(A::Error::custom(format!("{member:?} is given twice")));
            }
            found.push(member);
            map.next_value_seed(Part {
                document: self.document,
                paths,
                may_be_list: false,
                may_be_one: self.may_be_one,
            })?;
        }
        match found.is_empty() {
            false => Ok(()),
            true => Err(A::Error::custom(format!(
                "{} is missing; {} names the list of tasks",
                self.wanted(),
                self.document.reading.option_names.of(Advised::Root)
            ))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tasks: A) -> Result<(), A::Error> {
        if !self.is_list() && !self.may_be_list {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        // As raw text, so that a bad task is a bad record with its own text, and not the end of the
        // document.
        while let Some(task) = tasks.next_element::<Box<RawValue>>()? {
            // The reader stands at the end of the task; the report names the line where it begins.
            let line_ends = task.get().bytes().filter(|b| *b == b'\n').count() as u64;
            let line = self.document.position.line().saturating_sub(line_ends);
            self.document.task(task.get(), line)?;
        }
        Ok(())
    }
}

impl Document<'_> {
    /// Reads one task, which begins on `line`.
    fn task<E: serde::de::Error>(&mut self, text: &str, line: u64) -> Result<(), E> {
        self.position.bytes.set(0);
        let record = from_json(text, self.reading);
        let pushed = self
            .batches
            .push(line, text.as_bytes(), record, self.reading);
        pushed.map_err(|why| {
            self.halt = Some(why);
            // serde needs an error of its own; the caller reads the reason from `halt`.
            E::custom("stopped")
        })
    }
}

/// The state of [`Uncommented`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    InString,
    Escaped,
    InComment,
}

/// Replaces comments with spaces.
struct Uncommented<R: Read> {
    bytes: Peekable<Bytes<R>>,
    state: State,
    position: Rc<Position>,
    limits: Limits,
}

impl<R: BufRead> Uncommented<R> {
    fn new(input: R, position: &Rc<Position>, limits: Limits) -> Self {
        Self {
            bytes: input.bytes().peekable(),
            state: State::Outside,
            position: Rc::clone(position),
            limits,
        }
    }

    fn next(&mut self) -> io::Result<Option<u8>> {
        let Some(byte) = self.bytes.next().transpose()? else {
            return Ok(None);
        };
        if byte == b'\n' {
            self.position
                .line_ends
                .set(self.position.line_ends.get() + 1);
        }
        let count = self.position.bytes.get() + 1;
        self.position.bytes.set(count);
        if count > self.limits.record {
            return Err(io::Error::other(self.limits.record_too_long()));
        }
        use State::{Escaped, InComment, InString, Outside};
        let (state, shown) = match (self.state, byte) {
            (Outside, b'/') if matches!(self.bytes.peek(), Some(Ok(b'/'))) => (InComment, b' '),
            (InComment, b'\n' | b']') => (Outside, byte),
            (InComment, _) => (InComment, b' '),
            (Outside, b'"') => (InString, byte),
            (InString, b'"') => (Outside, byte),
            (InString, b'\\') => (Escaped, byte),
            (Escaped, _) => (InString, byte),
            (state, _) => (state, byte),
        };
        self.state = state;
        Ok(Some(shown))
    }
}

impl<R: BufRead> Read for Uncommented<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // serde_json reads one byte at a time.
        let Some(first) = buffer.first_mut() else {
            return Ok(0);
        };
        match self.next()? {
            Some(byte) => *first = byte,
            None => return Ok(0),
        }
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// What serde reads of `text`, through input buffers of 1 byte and more.
    fn shown(text: &str) -> String {
        let through = |size| {
            let input = BufReader::with_capacity(size, text.as_bytes());
            let mut shown = String::new();
            Uncommented::new(input, &Rc::default(), Limits::COMMAND)
                .read_to_string(&mut shown)
                .expect(text);
            shown
        };
        let whole = through(4096);
        for size in 1..8 {
            assert_eq!(through(size), whole, "buffer of {size}");
        }
        whole
    }

    #[test]
    fn a_comment_ends_with_its_line_or_before_a_bracket() {
        assert_eq!(shown("[1 // one, two ] }"), "[1             ] }");
        assert_eq!(shown("[1 // one\n,2 //\r\n]"), "[1       \n,2    \n]");
        assert_eq!(shown("[1]// end"), "[1]      ");
        assert_eq!(shown("//a//b\n1///\n//"), "      \n1   \n  ");
        // A Chinese character has three bytes; each becomes a space.
        assert_eq!(shown("{} // 更多 ]"), format!("{{}}{}]", " ".repeat(11)));
    }

    #[test]
    fn strings_are_left_alone() {
        for text in [
            r#"{"url":"http://example.com/a//b"}"#,
            r#"["a\"//b", "\\", "//"]"#,
            r#"["\\\"//"]"#,
            "[1 / 2]",
            "/",
        ] {
            assert_eq!(shown(text), text);
        }
        assert_eq!(shown(r#"["\\"//"]"#), r#"["\\"   ]"#);
    }
}
