//! `outbound-tasks manual`: the man pages and the shells' completions, for packages.

use std::{fs, io, path::PathBuf};

use clap::Args;
use clap_complete::Shell;

use super::terminal::failed;
use crate::error::Result;

/// Write the man pages and the completions of shells into a folder, which is created
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// The folder
    folder: PathBuf,
}

impl Manual {
    pub(super) fn run(&self, command: &clap::Command) -> Result<()> {
        let written = self.write(command);
        written.map_err(|error| failed(format!("cannot write {}", self.folder.display()), error))
    }

    fn write(&self, command: &clap::Command) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        clap_mangen::generate_to(command.clone(), &self.folder)?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut command = command.clone();
            clap_complete::generate_to(shell, &mut command, "outbound-tasks", &self.folder)?;
        }
        Ok(())
    }
}
