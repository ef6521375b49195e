//! The client commands, as a user runs them in a terminal.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Output, Stdio},
};

use super::{database::program, server::Server};

/// The program, with address and key in its environment.
pub fn command(address: SocketAddr, key: &str, arguments: &[&str]) -> Command {
    let mut command = program();
    command
        .args(arguments)
        .env("OUTBOUND_TASKS_URL", format!("http://{address}"))
        .env("OUTBOUND_TASKS_API_KEY", key)
        .env_remove("TZ");
    command
}

/// Runs a command to its end.
pub async fn output(mut command: Command) -> Output {
    let run = move || command.output().unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Runs a client command that must succeed and print nothing on standard error. Returns its standard output.
pub async fn succeed(server: &Server, arguments: &[&str]) -> String {
    printed(command(server.address, &server.key, arguments)).await
}

/// The same for any command.
pub async fn printed(command: Command) -> String {
    let arguments = format!("{:?}", command.get_args());
    let output = output(command).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*said), (Some(0), ""), "{arguments}");
    String::from_utf8(output.stdout).unwrap()
}

/// Reads one line of a command's output and then closes the pipe: the command must end with success and without an
/// error.
pub async fn read_a_line(mut command: Command) {
    let arguments = format!("{:?}", command.get_args());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    let ended = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let ended = ended.await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), &*said), (Some(0), ""), "{arguments}");
}

/// Runs a command that must fail with this exit code and print nothing on standard output. Returns its error text.
pub async fn fail(command: Command, code: i32) -> String {
    let arguments = format!("{:?}", command.get_args());
    let output = output(command).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{arguments}");
    said
}
