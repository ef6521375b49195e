//! The settings file: TOML, below flags and environment variables.
//!
//! Clap knows no third source of values. The command line is therefore parsed twice: first to learn the command, the
//! file and what is given by flags and the environment; then with the file's other settings appended as flags. So a value
//! of the file is parsed and checked as that of a flag is.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, ArgMatches, Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The command whose settings a file may contain. Other commands use those that they have too.
const SERVE: &str = "serve";
/// The maximum size of a file.
const MAX_BYTES: u64 = 1 << 20;
/// Settings that stand for each other. If flags or the environment give one of them, the file gives none.
const ALTERNATIVES: [&[&str]; 2] = [
    &["database_url", "database_url_file", "url"],
    &["database_password", "database_passfile"],
];

/// The arguments of the program with the settings of the file.
#[derive(Debug)]
pub struct Parsed {
    /// What clap made of flags, environment and file.
    pub matches: ArgMatches,
    /// Where settings of the file come from.
    pub file: FileSettings,
}

/// The settings that a file gives, of those that no flag and no variable gives.
#[derive(Debug, Default)]
pub struct FileSettings {
    path: PathBuf,
    /// By the names of flags.
    used: BTreeMap<String, Setting>,
}

#[derive(Debug)]
struct Setting {
    /// Counted from 1.
    line: usize,
    /// The flags that stand for it.
    flags: Vec<String>,
}

impl FileSettings {
    /// File and line of a setting, if the file gives it.
    pub fn source(&self, name: &str) -> Option<String> {
        let setting = self.used.get(name)?;
        Some(format!("{}:{}", self.path.display(), setting.line))
    }
}

/// Parses the arguments of the program and the file that they or the environment name. The error of a file names the line.
pub fn parse(mut command: Command, mut arguments: Vec<OsString>) -> Result<Parsed, Error> {
    command.build();
    // Errors are those of the second time: a required setting may be in the file.
    let lenient = command.clone().ignore_errors(true);
    let first = lenient.try_get_matches_from(&arguments)?;
    let (path, part, given) = part(&command, &first);
    let mut file = FileSettings::default();
    if let Some(name) = given.get_one::<PathBuf>("config") {
        let known = command
            .find_subcommand(SERVE)
            .into_iter()
            .flat_map(settings);
        let mut found = read(name, &known.collect())?;
        found.retain(|name, _| {
            settings(part).any(|(known, arg)| known == name && !is_given(part, given, arg))
        });
        file = FileSettings {
            path: name.clone(),
            used: found,
        };
    }
    let variables: Vec<(String, String)> = settings(part)
        .filter_map(|(flag, arg)| Some((flag.to_owned(), arg.get_env()?.to_str()?.to_owned())))
        .collect();
    let flags = file.used.values().flat_map(|setting| &setting.flags);
    let flags: Vec<OsString> = flags.map(OsString::from).collect();
    // What follows `--` is no flag.
    let end = arguments.iter().position(|argument| argument == "--");
    let end = end.unwrap_or(arguments.len());
    arguments.splice(end..end, flags);
    match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => Ok(Parsed { matches, file }),
        Err(error) => {
            let error = with_variables(error, &variables);
            Err(file.blamed(&mut command, &path).unwrap_or(error))
        }
    }
}

/// The error about missing arguments names the variables that would give them, too.
fn with_variables(mut error: Error, variables: &[(String, String)]) -> Error {
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing))
            if error.kind() == ErrorKind::MissingRequiredArgument =>
        {
            missing
        }
        _ => return error,
    };
    let flags = missing.iter().filter_map(|arg| arg.strip_prefix("--"));
    let names = flags.filter_map(|arg| {
        let flag = arg.split([' ', '=']).next()?;
        variables.iter().find(|(known, _)| known == flag)
    });
    let tips = names
        .map(|(flag, variable)| format!("{variable} in the environment gives --{flag}").into());
    let tips: Vec<_> = tips.collect();
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// The command that is called: its names, from the program's on, its definition and its arguments.
fn part<'a>(
    command: &'a Command,
    matches: &'a ArgMatches,
) -> (Vec<String>, &'a Command, &'a ArgMatches) {
    let (mut command, mut matches) = (command, matches);
    let mut path = vec![command.get_name().to_owned()];
    while let Some((name, inner)) = matches.subcommand()
        && let Some(part) = command.find_subcommand(name)
    {
        path.push(name.to_owned());
        (command, matches) = (part, inner);
    }
    (path, command, matches)
}

/// The settings of a command, by the names of their flags: the arguments with an environment variable.
fn settings(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let settings = command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some() && arg.get_id() != "config");
    settings.filter_map(|arg| Some((arg.get_long()?, arg)))
}

/// Whether flags or the environment give this setting, or one that stands for it.
fn is_given(command: &Command, given: &ArgMatches, arg: &Arg) -> bool {
    let id = arg.get_id().as_str();
    let group = ALTERNATIVES.into_iter().find(|group| group.contains(&id));
    let has = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    let is_given = |id: &str| {
        use clap::parser::ValueSource::{CommandLine, EnvVariable};
        matches!(given.value_source(id), Some(CommandLine | EnvVariable))
    };
    let mut alternatives = group.unwrap_or_default().iter().filter(|id| has(id));
    is_given(id) || alternatives.any(|id| is_given(id))
}

impl FileSettings {
    /// The error of the first setting that cannot be parsed even without the others.
    fn blamed(&self, command: &mut Command, path: &[String]) -> Option<Error> {
        self.used.values().find_map(|setting| {
            let arguments = path.iter().chain(&setting.flags);
            let error = command.try_get_matches_from_mut(arguments).err()?;
            let is_value = matches!(
                error.kind(),
                ErrorKind::InvalidValue | ErrorKind::ValueValidation
            );
            let text = error.render().to_string();
            let text = text.split("\n\n").next().unwrap_or_default();
            let text = text.strip_prefix("error: ").unwrap_or(text);
            is_value.then(|| at_line(&self.path, setting.line, text))
        })
    }
}

/// A text of at most [`MAX_BYTES`], so that a device without an end is an error.
fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// The settings of a file as flags.
fn read(path: &Path, known: &BTreeMap<&str, &Arg>) -> Result<BTreeMap<String, Setting>, Error> {
    let text = read_text(path).map_err(|error| {
        let why = format!(
            "the settings file {} cannot be read: {error}\n",
            path.display()
        );
        Error::raw(ErrorKind::Io, why)
    })?;
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        at_line(path, line(at), error.message())
    })?;
    let mut settings = BTreeMap::new();
    for (name, value) in table.get_ref() {
        let line = line(name.span().start);
        let name = name.get_ref();
        let arg = known.get(&**name).ok_or_else(|| {
            let similar = name.replace('_', "-");
            let hint = match known.contains_key(&*similar) {
                true => format!("; its name is {similar}"),
                false => String::new(),
            };
            let name = name.escape_debug();
            at_line(path, line, &format!("unknown setting {name}{hint}"))
        })?;
        let flags = flags(name, arg, value)
            .map_err(|wanted| at_line(path, line, &format!("{name} must be {wanted}")))?;
        settings.insert(name.to_string(), Setting { line, flags });
    }
    Ok(settings)
}

/// The flags that stand for a value. The error says what the value must be.
fn flags(name: &str, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, &'static str> {
    let flag = |value: &DeValue<'_>| {
        let text = match value {
            DeValue::String(text) => text.to_string(),
            // Whoever writes 0x10 or 1_000 means a number.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()?
                .to_string(),
            _ => return None,
        };
        Some(format!("--{name}={text}"))
    };
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![format!("--{name}")]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err("true or false"),
        (ArgAction::Append, DeValue::Array(values)) => {
            let flags = values.iter().map(|value| flag(value.get_ref()));
            flags.collect::<Option<_>>().ok_or("a list of strings")
        }
        (ArgAction::Append, value) => Ok(vec![flag(value).ok_or("a string or a list of strings")?]),
        (_, value) => Ok(vec![flag(value).ok_or("a string or a whole number")?]),
    }
}

fn at_line(path: &Path, line: usize, what: &str) -> Error {
    let what = format!("{}:{line}: {what}\n", path.display());
    Error::raw(ErrorKind::ValueValidation, what)
}
