//! The paths that the files of a crate use, of the crate and of foreign crates, read from their tokens.
//!
//! A file is read as Rust tokens. Comments and strings do not count; macros, attributes and nested groups do. Types are
//! not known, so a method call leads nowhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    str::FromStr,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path in a file, like `crate::app::App` or `tonic::Status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The line of its last segment, from 1.
    pub line: usize,
    /// The absolute path: its first segment is `crate` or a foreign crate.
    pub path: Vec<String>,
    /// Whether it is a re-export (`pub use`).
    pub is_export: bool,
}

/// One file of the crate.
#[derive(Debug)]
pub struct Source {
    /// Its path below `src`, like `app/workers/mod.rs`.
    pub file: String,
    /// Its module path; empty for `lib.rs`.
    pub module: Vec<String>,
    pub references: Vec<Reference>,
    /// The names that it imports or re-exports, and their paths.
    exports: BTreeMap<String, Vec<String>>,
}

impl Source {
    /// The module at the top of the crate that the file belongs to; `lib` for `lib.rs`.
    pub fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

/// A path before it is resolved.
struct Raw {
    line: usize,
    path: Vec<String>,
    /// The inline modules around it.
    inline: Vec<String>,
    /// The name that a `use` gives it, and whether the `use` is public.
    import: Option<(String, bool)>,
}

/// The paths and words of a file.
#[derive(Default)]
struct Tokens {
    paths: Vec<Raw>,
    /// Every word outside of `use`.
    words: BTreeSet<String>,
}

/// The crate's files below `folder`, as pairs of path and text.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Reads files. `foreign` are the crates that they may use.
pub fn read(files: &[(String, String)], foreign: &BTreeSet<String>) -> Vec<Source> {
    let modules: BTreeSet<Vec<String>> = files.iter().map(|(file, _)| module_of(file)).collect();
    let sources = files.iter().map(|(file, text)| {
        let tokens = TokenStream::from_str(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let mut found = Tokens::default();
        walk(tokens, &mut Vec::new(), &mut found);
        let module = module_of(file);
        let mut source = Source {
            file: file.clone(),
            references: Vec::new(),
            exports: BTreeMap::new(),
            module,
        };
        let mut imports: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for raw in found.paths.iter().filter(|raw| raw.import.is_some()) {
            let path = absolute(&source.module, raw, &modules, foreign);
            let (Some((name, is_public)), Some(path)) = (&raw.import, path) else {
                continue;
            };
            // The inline modules of a file also see its private imports.
            source.exports.insert(name.clone(), path.clone());
            source.references.push(Reference {
                line: raw.line,
                path: path.clone(),
                is_export: *is_public && !found.words.contains(name),
            });
            imports.insert(name, path);
        }
        for raw in found.paths.iter().filter(|raw| raw.import.is_none()) {
            let path = match imports.get(&*raw.path[0]) {
                Some(imported) => Some([imported, &raw.path[1..]].concat()),
                None => absolute(&source.module, raw, &modules, foreign),
            };
            source.references.extend(path.map(|path| Reference {
                line: raw.line,
                path,
                is_export: false,
            }));
        }
        source
    });
    sources.collect()
}

/// The path from the crate's root or from a foreign crate; `None` for other paths, like a type of std.
fn absolute(
    module: &[String],
    raw: &Raw,
    modules: &BTreeSet<Vec<String>>,
    foreign: &BTreeSet<String>,
) -> Option<Vec<String>> {
    let mut at = [module, &raw.inline].concat();
    let mut rest = &raw.path[..];
    match rest.first()?.as_str() {
        "crate" => {
            rest = &rest[1..];
            at.clear();
        }
        "self" | "super" => {
            while let Some(first @ ("self" | "super")) = rest.first().map(String::as_str) {
                if first == "super" {
                    at.pop();
                }
                rest = &rest[1..];
            }
        }
        first => {
            let child = [&at[..], &[first.to_owned()]].concat();
            if !modules.contains(&child) {
                return foreign.contains(first).then(|| raw.path.clone());
            }
        }
    }
    Some([&["crate".to_owned()], &at[..], rest].concat())
}

/// For each file, by index, the files that it uses and the first line of each use.
pub type Graph = BTreeMap<usize, BTreeMap<usize, Reference>>;

/// Which file uses which, by index, and the first line. A re-exported name leads to the file that defines it.
pub fn graph(sources: &[Source]) -> Graph {
    let index: BTreeMap<&[String], usize> = (sources.iter().enumerate())
        .map(|(index, source)| (&*source.module, index))
        .collect();
    let mut graph: Graph = BTreeMap::new();
    for (from, source) in sources.iter().enumerate() {
        for reference in source.references.iter().filter(|r| !r.is_export) {
            let to = defined_in(&reference.path, sources, &index);
            if let Some(to) = to.filter(|to| *to != from) {
                let uses = graph.entry(from).or_default();
                uses.entry(to).or_insert_with(|| reference.clone());
            }
        }
    }
    graph
}

fn defined_in(
    path: &[String],
    sources: &[Source],
    index: &BTreeMap<&[String], usize>,
) -> Option<usize> {
    let [first, rest @ ..] = path else {
        return None;
    };
    if first != "crate" {
        return None;
    }
    let (length, file) = (0..=rest.len())
        .rev()
        .find_map(|length| Some((length, *index.get(&rest[..length])?)))?;
    let exported = rest
        .get(length)
        .and_then(|name| sources[file].exports.get(name));
    match exported {
        Some(path) => defined_in(path, sources, index),
        None => Some(file),
    }
}

/// Cycles of files that use each other, each with the line of the use. No two cycles share a file.
pub fn cycles(mut graph: Graph) -> Vec<Vec<(usize, Reference)>> {
    let mut cycles = Vec::new();
    loop {
        let cycle = cycle(&graph);
        if cycle.is_empty() {
            return cycles;
        }
        graph.retain(|file, _| cycle.iter().all(|(on, _)| on != file));
        cycles.push(cycle);
    }
}

fn cycle(graph: &Graph) -> Vec<(usize, Reference)> {
    let mut left = graph.clone();
    // A file that uses none of the remaining files is on no cycle.
    loop {
        let known: BTreeSet<usize> = left.keys().copied().collect();
        for uses in left.values_mut() {
            uses.retain(|file, _| known.contains(file));
        }
        let before = left.len();
        left.retain(|_, uses| !uses.is_empty());
        if left.len() == before {
            break;
        }
    }
    // Each remaining file uses another remaining one, so following the uses leads to a cycle.
    let Some(mut file) = left.keys().next().copied() else {
        return Vec::new();
    };
    let mut way: Vec<(usize, Reference)> = Vec::new();
    loop {
        if let Some(start) = way.iter().position(|(seen, _)| *seen == file) {
            return way.split_off(start);
        }
        let (next, reference) = left[&file].first_key_value().unwrap();
        way.push((file, reference.clone()));
        file = *next;
    }
}

fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let parts = path.split('/').filter(|_| path != "lib");
    parts.map(str::to_owned).collect()
}

fn walk(tokens: TokenStream, inline: &mut Vec<String>, found: &mut Tokens) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            // `use<>` in a type is no import.
            TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                let is_public = at > 0 && is_public(&tokens[..at]);
                let length = tokens[at..].iter().position(|t| is_punct(Some(t), ';'));
                let end = at + length.unwrap_or(tokens.len() - at);
                use_tree(&tokens[at + 1..end], &[], is_public, inline, found);
                at = end;
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let [TokenTree::Ident(name), TokenTree::Group(body), ..] = &tokens[at + 1..] {
                    inline.push(name.to_string());
                    walk(body.stream(), inline, found);
                    inline.pop();
                    at += 2;
                }
            }
            TokenTree::Ident(_) => {
                let is_rest =
                    at >= 2 && is_separator(&tokens[at - 2..]) && ends_path(&tokens[..at - 2]);
                let (path, line, end) = plain_path(&tokens, at);
                found.words.insert(path[0].clone());
                if path.len() > 1 && !is_rest {
                    found.paths.push(Raw {
                        line,
                        path,
                        inline: inline.clone(),
                        import: None,
                    });
                }
                at = end - 1;
            }
            TokenTree::Group(group) => {
                // `pub(in crate::app)` is a visibility and no use.
                let is_visibility = at > 0 && is_ident(&tokens[at - 1], "pub");
                if !(is_visibility && group.delimiter() == Delimiter::Parenthesis) {
                    walk(group.stream(), inline, found);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// A path from the token `at` on, the line of its last segment, and the index after it.
fn plain_path(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize, usize) {
    let mut path = Vec::new();
    let mut line = 0;
    while let Some(TokenTree::Ident(part)) = tokens.get(at) {
        path.push(part.to_string());
        line = part.span().start().line;
        at += 1;
        match is_separator(&tokens[at..]) && matches!(tokens.get(at + 2), Some(TokenTree::Ident(_)))
        {
            true => at += 2,
            false => break,
        }
    }
    (path, line, at)
}

/// The paths between `use` and `;`, or of one branch.
fn use_tree(
    tokens: &[TokenTree],
    prefix: &[String],
    is_public: bool,
    inline: &[String],
    found: &mut Tokens,
) {
    let mut path = prefix.to_vec();
    let mut line = 0;
    let mut name = None;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| is_punct(Some(token), ',')) {
                    if !branch.is_empty() {
                        use_tree(branch, &path, is_public, inline, found);
                    }
                }
                return;
            }
            TokenTree::Ident(word) if word == "as" => {
                name = tokens.get(at + 1).map(ToString::to_string);
                break;
            }
            TokenTree::Ident(word) => {
                line = word.span().start().line;
                // `a::{self}` is `a`.
                if word != "self" || path.is_empty() {
                    path.push(word.to_string());
                }
            }
            // A glob counts as a use of the module.
            TokenTree::Punct(star) if star.as_char() == '*' => line = star.span().start().line,
            _ => {}
        }
        at += 1;
    }
    let name = name.or_else(|| path.last().cloned());
    found.paths.push(Raw {
        line,
        path,
        inline: inline.to_vec(),
        import: name.map(|name| (name, is_public)),
    });
}

/// Whether the tokens before a `use` make it public, possibly within a module only.
fn is_public(before: &[TokenTree]) -> bool {
    match before {
        [.., last] if is_ident(last, "pub") => true,
        [.., word, TokenTree::Group(_)] => is_ident(word, "pub"),
        _ => false,
    }
}

fn is_ident(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), ':') && is_punct(tokens.get(1), ':')
}

/// Whether a path continues after these tokens: after a name, or after `<…>` but not after `->`.
fn ends_path(before: &[TokenTree]) -> bool {
    match before {
        [.., arrow, last] if is_punct(Some(last), '>') => !is_punct(Some(arrow), '-'),
        [.., last] => matches!(last, TokenTree::Ident(_)) || is_punct(Some(last), '>'),
        [] => false,
    }
}
