//! Writes the man pages and the shells' completions of the program into a folder. They are made from the definitions of the
//! commands, as `--help` is; the program itself needs no code for them.

use std::{fs, path::PathBuf};

use clap_complete::Shell;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or("usage: manual FOLDER, which is created")?;
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder)?;
    clap_mangen::generate_to(outbound_tasks::cli::command(), &folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut command = outbound_tasks::cli::command();
        clap_complete::generate_to(shell, &mut command, "outbound-tasks", &folder)?;
    }
    Ok(())
}
