//! The shell blocks of README.md, the tutorial and the how-to guides, run as a reader runs them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
};

use outbound_tasks::pb::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::support::{
    TempDir,
    database::program,
    dev::Dev,
    pages::{root, shell_blocks, under},
};

/// What a page may need to run its blocks, in seconds.
const LIMIT: &str = "120";

/// How many pages run at a time.
const AT_A_TIME: usize = 3;

#[test]
fn every_shell_block_runs() {
    let mut pages = vec![root().join("README.md"), root().join("docs/tutorial.md")];
    pages.extend(under(&root().join("docs/how-to")));
    // The first start takes longest, so each page begins with a copy of what it makes.
    let first = TempDir::new();
    assert_eq!(Dev::start_in(&first.0).signal("INT"), Some(0));
    let pages = Mutex::new(pages.into_iter());
    let run_pages = || {
        loop {
            let Some(page) = pages.lock().unwrap().next() else {
                return;
            };
            let blocks = shell_blocks(&fs::read_to_string(&page).unwrap());
            if !blocks.is_empty() {
                run(&page, &blocks, &first.0);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(run_pages);
        }
    });
}

/// Runs a page's blocks in their order, in one shell, in a folder of their own with a service of their own.
fn run(page: &Path, blocks: &[(usize, String)], first: &Path) {
    let (folder, tools) = (TempDir::new(), TempDir::new());
    let copied = Command::new("cp")
        .arg("-a")
        .arg(first.join(".outbound-tasks"))
        .arg(&folder.0)
        .status();
    assert!(copied.unwrap().success());
    let mut dev = Dev::start_in(&folder.0);
    // The book says that these variables are there.
    let mut script = "set -ea\n. .outbound-tasks/dev.env\nset +a\n".to_owned();
    for (line, block) in blocks {
        script += &format!("echo 'the block at line {line}:' >&2\n{block}\n");
    }
    let output = Command::new("timeout")
        .args([LIMIT, "sh", "-c", &script])
        .current_dir(&folder.0)
        .env("PATH", path(&tools.0))
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{} {}\n{out}\n{err}",
        page.display(),
        output.status
    );
    check_calls(page, &tools.0);
    assert_eq!(dev.signal("INT"), Some(0), "{}", page.display());
}

/// The program, then stand-ins for programs that a machine need not have, then what there is.
fn path(tools: &Path) -> String {
    let found = std::env::var("PATH").unwrap();
    let is_missing = |name: &str| {
        let mut folders = std::env::split_paths(&found);
        !folders.any(|folder| folder.join(name).is_file())
    };
    // It keeps its arguments, which `check_calls` reads: one file a call, a NUL after each argument.
    let grpcurl = "#!/bin/sh\nprintf '%s\\0' \"$@\" > \"$(mktemp \"${0%/*}/call.XXXXXX\")\"\n";
    let swallow = "#!/bin/sh\ncat > /dev/null\n";
    for (name, script) in [("grpcurl", grpcurl), ("jq", swallow)] {
        if is_missing(name) {
            let file = tools.join(name);
            fs::write(&file, script).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let program = program();
    let program = Path::new(program.get_program()).parent().unwrap();
    format!("{}:{}:{found}", program.display(), tools.display())
}

/// Each call that a page makes by `grpcurl` is one of an rpc, with a message that it takes.
fn check_calls(page: &Path, tools: &Path) {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for entry in fs::read_dir(tools).unwrap() {
        let path = entry.unwrap().path();
        if !path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("call.")
        {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let arguments: Vec<&str> = text.split_terminator('\0').collect();
        let method = arguments.last().unwrap();
        if !method.starts_with("outboundtasks.v1.") {
            continue; // `list`, or health
        }
        let (service, rpc) = method.split_once('/').unwrap();
        let service = pool.get_service_by_name(service);
        let rpc = service.and_then(|service| service.methods().find(|found| found.name() == rpc));
        let rpc = rpc.unwrap_or_else(|| panic!("{}: {method}", page.display()));
        let data = arguments.iter().position(|argument| *argument == "-d");
        let data = data.map_or("{}", |at| arguments[at + 1]);
        let mut json = serde_json::Deserializer::from_str(data);
        let message = DynamicMessage::deserialize(rpc.input(), &mut json);
        message.unwrap_or_else(|error| panic!("{}: {data}: {error}", page.display()));
        json.end().unwrap();
    }
}
