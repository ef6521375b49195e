//! Compiles the contract (`proto/`) without a system protoc and keeps its descriptor for server reflection.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=migrations");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_source_info(true) // the comments become rustdoc
        .include_imports(true) // reflection must describe Timestamp too
        .open_file("outboundtasks/v1/outbound_tasks.proto")?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out_dir.join("outboundtasks.v1.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure()
        .build_client(true) // for the commands that ask a service, the tests and the benchmark
        .build_transport(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
