//! Compiles the contract (`proto/`) without a system protoc, and stores its descriptor for server reflection. Embeds the
//! console and the viewer of the HTTP API if they have been built.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What `make console` writes, which needs Node.js: the console, and the viewer of the HTTP API. Without it the service has
/// neither, and `/console/` and `/docs/` say so.
const BUILT: [(&str, &str); 2] = [("web/console", "console.rs"), ("web/docs", "docs.rs")];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=migrations");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    name_commit();
    for (package, list) in BUILT {
        embed(package, &out_dir.join(list))?;
    }
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_source_info(true) // the comments become rustdoc
        .include_imports(true) // reflection must describe Timestamp too
        .open_file("outboundtasks/v1/outbound_tasks.proto")?
        .open_file("outboundtasks/v1/keys.proto")?
        .open_file("outboundtasks/v1/errors.proto")?;
    fs::write(
        out_dir.join("outboundtasks.v1.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    let set = compiler.file_descriptor_set();
    tonic_prost_build::configure()
        // In the order of the keys, so that the same task has the same bytes.
        .btree_map(".outboundtasks.v1.OutboundTask.labels")
        .btree_map(".outboundtasks.v1.NewOutboundTask.labels")
        .build_client(true) // for the commands that ask a service, the tests and the benchmark
        .build_server(false)
        .build_transport(false)
        .compile_fds(set.clone())?;
    // The server sends lists, tasks and changes that it has encoded once for many calls: these messages are other types.
    let server = out_dir.join("server");
    fs::create_dir_all(&server)?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .extern_path(".outboundtasks.v1", "crate::pb")
        .extern_path(
            ".outboundtasks.v1.ListOutboundTasksResponse",
            "crate::grpc::EncodedAnswer",
        )
        .extern_path(
            ".outboundtasks.v1.GetOutboundTaskResponse",
            "crate::grpc::EncodedAnswer",
        )
        .extern_path(
            ".outboundtasks.v1.WatchOutboundTasksResponse",
            "crate::grpc::EncodedWatchResponse",
        )
        .out_dir(server)
        .compile_fds(set)?;
    Ok(())
}

/// Sets `SOURCE_COMMIT`, the commit that `--version` and the metrics name: that of the environment, such as in a tarball
/// without git, or that of git; empty if neither knows it. Only a release asks git, because it is built anew after each
/// commit.
fn name_commit() {
    println!("cargo::rerun-if-env-changed=SOURCE_COMMIT");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let mut commit = env::var("SOURCE_COMMIT").ok().filter(|c| !c.is_empty());
    if commit.is_none() && env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        commit = git(&["rev-parse", "HEAD"]);
        let branch = git(&["symbolic-ref", "HEAD"]);
        for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
            // Of a path that is missing Cargo would think that it changes all the time.
            let path = git(&["rev-parse", "--git-path", name]);
            if let Some(path) = path.filter(|path| Path::new(path).exists()) {
                println!("cargo::rerun-if-changed={path}");
            }
        }
    }
    let commit = commit.unwrap_or_default();
    let short = commit.get(..12).unwrap_or(&commit);
    println!("cargo::rustc-env=SOURCE_COMMIT={short}");
}

/// Writes `FILES`, the files that a package of `web` has built by their names; none where it is not built.
fn embed(package: &str, list: &Path) -> Result<(), Box<dyn Error>> {
    let dist = format!("{package}/dist");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(&dist);
    let mut files = Vec::new();
    if folder.is_dir() {
        println!("cargo::rerun-if-changed={dist}");
        for file in fs::read_dir(&folder)? {
            files.push(file?.path());
        }
        files.sort();
    } else {
        // Of a path that is missing Cargo would think that it changes all the time; building the package makes its folder.
        println!("cargo::rerun-if-changed={package}");
    }
    let mut code = "static FILES: &[(&str, &[u8])] = &[\n".to_owned();
    for file in &files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or("a built file has an odd name")?;
        code += &format!("    ({name:?}, include_bytes!({file:?})),\n");
    }
    fs::write(list, code + "];\n")?;
    Ok(())
}
