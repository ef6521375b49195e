//! The program `outbound-tasks`; [`outbound_tasks::cli`] holds its commands.

// mimalloc takes 3 to 7 % less processor time per call than the allocator of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    outbound_tasks::cli::run()
}
