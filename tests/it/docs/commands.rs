//! The commands and settings as Markdown, from the definitions that `--help` is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use clap::{Arg, Command};

/// Every command that does something, by its whole name; those that only hold others are left out.
fn commands() -> Vec<(String, Command)> {
    fn add(command: &Command, before: &str, all: &mut Vec<(String, Command)>) {
        let name = format!("{before}{}", command.get_name());
        let parts = || {
            command
                .get_subcommands()
                .filter(|c| c.get_name() != "help" && !c.is_hide_set())
        };
        let is_complete = parts().next().is_none() || !command.is_subcommand_required_set();
        if is_complete {
            all.push((name.clone(), command.clone()));
        }
        for part in parts() {
            add(part, &format!("{name} "), all);
        }
    }
    let mut program = outbound_tasks::cli::command();
    program.build();
    let mut all = Vec::new();
    add(&program, "", &mut all);
    all
}

fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let ours = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    command
        .get_arguments()
        .filter(ours)
        .filter(|arg| !arg.is_hide_set())
}

/// A command's arguments; those with an environment variable are on the page of settings.
pub(super) fn reference() -> String {
    let mut page = String::new();
    for (name, mut command) in commands() {
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        write!(
            page,
            "## {name}\n\n{}\n\n```text\n{usage}\n```\n\n",
            cell(&about)
        )
        .unwrap();
        if let Some(more) = command.get_after_long_help() {
            write!(page, "{more}\n\n").unwrap();
        }
        let (settings, own): (Vec<&Arg>, Vec<&Arg>) =
            arguments(&command).partition(|arg| arg.get_env().is_some());
        if !own.is_empty() {
            page.push_str("| argument | default | meaning |\n| --- | --- | --- |\n");
            for arg in own {
                let (shown, default) = (cell(&arg.to_string()), default(arg));
                writeln!(page, "| `{shown}` | {default} | {} |", meaning(arg)).unwrap();
            }
            page.push('\n');
        }
        if !settings.is_empty() {
            let names: Vec<String> = settings
                .iter()
                .map(|arg| format!("`{}`", flag(arg)))
                .collect();
            write!(page, "[Settings](settings.md): {}.\n\n", names.join(", ")).unwrap();
        }
    }
    page
}

/// Every flag with an environment variable, once for each variable and meaning, with the commands that take it so.
pub(super) fn settings() -> String {
    let commands = commands();
    let mut page =
        "| setting | variable | default | commands | meaning |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    let mut seen = BTreeSet::new();
    let all = commands.iter().flat_map(|(_, command)| arguments(command));
    for arg in all {
        let Some(variable) = arg.get_env() else {
            continue;
        };
        if !seen.insert((flag(arg), variable, meaning(arg))) {
            continue;
        }
        let takes = |command: &Command| {
            arguments(command).any(|other| {
                let is = |arg| (flag(arg), arg.get_env(), meaning(arg));
                is(other) == is(arg)
            })
        };
        let takers: Vec<&str> = (commands.iter().filter(|(_, command)| takes(command)))
            .map(|(name, _)| name.trim_start_matches("outbound-tasks").trim())
            .filter(|name| !name.is_empty())
            .collect();
        let takers = match takers.len() + 1 == commands.len() {
            true => "all".to_owned(),
            false => takers.join(", "),
        };
        let variable = variable.to_string_lossy();
        let (flag, default, meaning) = (flag(arg), default(arg), meaning(arg));
        writeln!(
            page,
            "| `{flag}` | `{variable}` | {default} | {takers} | {meaning} |"
        )
        .unwrap();
    }
    page
}

/// The default of each flag that has one.
pub(super) fn defaults() -> BTreeMap<String, String> {
    let commands = commands();
    let all = commands.iter().flat_map(|(_, command)| arguments(command));
    let values = all.filter_map(|arg| {
        let value = arg.get_default_values().first()?;
        Some((flag(arg), value.to_string_lossy().into_owned()))
    });
    values.collect()
}

/// The flags and the environment variables that there are.
pub(super) fn known() -> (BTreeSet<String>, BTreeSet<String>) {
    let commands = commands();
    let all = || commands.iter().flat_map(|(_, command)| arguments(command));
    let mut flags: BTreeSet<String> = all().map(flag).collect();
    flags.extend(["--help", "--version"].map(str::to_owned));
    let aliases = all().filter_map(Arg::get_visible_aliases).flatten();
    flags.extend(aliases.map(|alias| format!("--{alias}")));
    let variables = all().filter_map(Arg::get_env);
    let variables = variables.map(|name| name.to_string_lossy().into_owned());
    (flags, variables.collect())
}

fn flag(arg: &Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => arg.get_id().to_string(),
    }
}

fn default(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return "off".to_owned();
    }
    let values = arg.get_default_values().iter().map(|v| v.to_string_lossy());
    let values: Vec<_> = values.collect();
    match values.is_empty() {
        true if arg.is_required_set() => "required".to_owned(),
        true => "–".to_owned(),
        false => format!("`{}`", values.join(",")),
    }
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut text = cell(&help.map(ToString::to_string).unwrap_or_default());
    let values = arg.get_possible_values();
    if arg.get_action().takes_values() && !arg.is_hide_possible_values_set() && !values.is_empty() {
        let values = values.iter().filter(|value| !value.is_hide_set());
        let words = values.map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), cell(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        });
        let words: Vec<String> = words.collect();
        write!(text, ": {}", words.join(", ")).unwrap();
    }
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    for alias in aliases {
        write!(text, ". Also `--{alias}`").unwrap();
    }
    text
}

/// Text of a table's cell.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
