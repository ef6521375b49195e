//! The program `outbound-tasks`.

fn main() -> std::process::ExitCode {
    outbound_tasks::cli::run()
}
