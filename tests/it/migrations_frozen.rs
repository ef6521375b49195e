//! Released migrations are frozen: a later change of a file would not reach databases that have applied it.
//! `migrations/checksums.txt` lists the SHA-256 of each file, in the format of `sha256sum`.

use std::{collections::BTreeMap, fmt::Write, fs};

use sha2::{Digest, Sha256};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
const LIST: &str = "migrations/checksums.txt";

/// The checksum of each file of a migration, by its path from `migrations/`.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for migration in fs::read_dir(FOLDER).unwrap() {
        let migration = migration.unwrap();
        if !migration.file_type().unwrap().is_dir() {
            continue; // README.md and checksums.txt
        }
        for file in fs::read_dir(migration.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(FOLDER).unwrap().to_str().unwrap();
            let mut checksum = String::new();
            for byte in Sha256::digest(fs::read(&path).unwrap()) {
                write!(checksum, "{byte:02x}").unwrap();
            }
            files.insert(name.to_owned(), checksum);
        }
    }
    files
}

/// The lines of the list: `checksum  path`.
fn parse(list: &str) -> BTreeMap<String, String> {
    let lines = list.lines().map(|line| {
        let (checksum, path) = line.split_once("  ").expect("checksum, two spaces, path");
        (path.to_owned(), checksum.to_owned())
    });
    lines.collect()
}

/// For each file a sentence that says what is wrong and what to do.
fn differences(listed: &BTreeMap<String, String>, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut sentences = Vec::new();
    for (path, checksum) in files {
        match listed.get(path) {
            None => sentences.push(format!(
                "migrations/{path} is new: once it is as it shall land, add this line to {LIST}:\n{checksum}  {path}"
            )),
            Some(frozen) if frozen != checksum => sentences.push(format!(
                "migrations/{path} was changed after it landed. Databases that applied it will never run the new text: \
                 restore the file (git log -- migrations/{path}), leave its line in {LIST} as it is, and make the change \
                 in a new migration (migrations/README.md)"
            )),
            Some(_) => {}
        }
    }
    for path in listed.keys().filter(|path| !files.contains_key(*path)) {
        sentences.push(format!(
            "migrations/{path} is missing, and databases have applied or may revert it: restore the file (git log -- \
             migrations/{path})"
        ));
    }
    sentences
}

#[test]
fn migrations_that_landed_are_unchanged() {
    let list = fs::read_to_string(format!("{}/{LIST}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let wrong = differences(&parse(&list), &files());
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n\n"));
}

#[test]
fn a_changed_a_missing_and_a_new_file_are_named_with_what_to_do() {
    let landed = parse("aa  1_first/up.sql\nbb  1_first/down.sql\ncc  2_second/up.sql\n");
    assert_eq!(differences(&landed, &landed), Vec::<String>::new());
    let changed = parse("aa  1_first/up.sql\nbf  1_first/down.sql\ndd  3_third/up.sql\n");
    let wrong = differences(&landed, &changed);
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert!(wrong[0].starts_with("migrations/1_first/down.sql was changed after it landed."));
    assert!(wrong[0].contains("restore the file") && wrong[0].contains("new migration"));
    assert!(wrong[1].starts_with("migrations/3_third/up.sql is new"));
    assert!(wrong[1].ends_with("add this line to migrations/checksums.txt:\ndd  3_third/up.sql"));
    assert!(wrong[2].starts_with("migrations/2_second/up.sql is missing"));
}

/// `migrate revert` needs a `down.sql` for each migration.
#[test]
fn every_migration_has_a_way_up_and_a_way_down() {
    let files = files();
    let migrations = files.keys().map(|path| path.split_once('/').unwrap().0);
    for migration in migrations {
        for file in ["up.sql", "down.sql"] {
            let path = format!("{migration}/{file}");
            assert!(files.contains_key(&path), "migrations/{path} is missing");
        }
    }
}
