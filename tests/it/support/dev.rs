//! `outbound-tasks dev` as a process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{database::program, process::kill};

pub struct Dev {
    pub child: Child,
    pub lines: Vec<String>,
}

impl Dev {
    /// Starts on a free port and waits for the last line of the start-up text.
    pub fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut command = program();
        command
            .args(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(arguments);
        Self::spawn(command)
    }

    /// Starts in a folder with the default data directory, as `make run` does in the project's.
    pub fn start_in(folder: &Path) -> Self {
        let mut command = program();
        command
            .args(["dev", "--listen", "127.0.0.1:0"])
            .current_dir(folder);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let is_last = line.starts_with("Press Ctrl-C to stop");
            lines.push(line);
            if is_last {
                return Self { child, lines };
            }
        }
        panic!("dev ended: {:?} {lines:?}", child.wait());
    }

    pub fn signal(&mut self, signal: &str) -> Option<i32> {
        kill(self.child.id(), signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    /// A test that failed leaves nothing running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
