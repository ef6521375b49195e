//! The pages of the documentation, and the parts of a page.

use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files in a folder and below it.
pub fn under(folder: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages.extend(under(&path));
        } else if path.extension().is_some_and(|kind| kind == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// Every page that readers are sent to.
pub fn all() -> Vec<PathBuf> {
    let mut pages = under(&root().join("docs"));
    let others = [
        "README.md",
        "README.zh-CN.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "migrations/README.md",
        "web/client/README.md",
    ];
    let others = others.map(|name| root().join(name));
    pages.extend(others.into_iter().filter(|page| page.exists()));
    pages
}

/// A page without its fenced blocks.
pub fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// What stands between backticks in a page's prose.
pub fn inline_code(text: &str) -> impl Iterator<Item = String> {
    let prose = prose(text);
    let mut codes = Vec::new();
    for paragraph in prose.split("\n\n") {
        let parts = paragraph.split('`').skip(1).step_by(2);
        codes.extend(parts.map(str::to_owned));
    }
    codes.into_iter()
}

/// The blocks of a page that are marked as `sh`, with the number of each one's first line.
pub fn shell_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim() == "```sh" {
            let block = lines.by_ref().map(|(_, line)| line);
            let block: Vec<&str> = block.take_while(|line| line.trim() != "```").collect();
            blocks.push((at + 2, block.join("\n")));
        }
    }
    blocks
}
