//! What may stand in a source file, and what must.

use crate::{folder, members, report, root};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest file of Rust, tests aside.
const LONGEST: usize = 500;
/// Longest `main.rs` of a part that is run alone.
const LONGEST_MAIN: usize = 15;

/// What no product code says. Lints find most of it; this also finds what a lint was told to overlook.
const FORBIDDEN: [&str; 9] = [
    "println!(",
    "print!(",
    "eprintln!(",
    "eprint!(",
    "dbg!(",
    "todo!(",
    "unimplemented!(",
    "#[allow(",
    "#![allow(",
];
/// What nobody asks: parts do not know whether they share a process.
const UNASKED: [&str; 5] = ["all_in_one", "all-in-one", "is_single", "single_process", "is_mesh"];

/// All Rust files below a folder, from the root.
fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type().unwrap().is_dir() && !hidden {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn files_of(package_folder: &Path, parts: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for part in parts {
        rust_files(&package_folder.join(part), &mut files);
    }
    files.sort();
    files
}

/// The files of all members, tests and benches included.
fn all_files() -> Vec<PathBuf> {
    let files = members().into_iter().flat_map(|package| {
        let folder = folder(package);
        let mut files = files_of(&folder, &["src", "tests", "benches", "examples"]);
        let build = folder.join("build.rs");
        files.extend(root().join(&build).exists().then_some(build));
        files
    });
    files.collect()
}

/// The files of what is shipped.
fn product_files() -> Vec<PathBuf> {
    let shipped = members().into_iter().map(folder).filter(|folder| !folder.starts_with("tests"));
    shipped.flat_map(|folder| files_of(&folder, &["src"])).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Lines of code with their numbers; comments are not code.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.starts_with("//"))
}

#[test]
fn there_are_files_to_look_at() {
    assert!(product_files().len() > 100, "{}", product_files().len());
    assert!(all_files().iter().any(|path| path.ends_with("tests/architecture/sources.rs")));
    assert!(all_files().iter().any(|path| path == Path::new("proto/build.rs")));
}

#[test]
fn files_are_modules_by_their_own_name() {
    let files = all_files();
    let wrong = files.iter().filter(|path| path.file_name().is_some_and(|name| name == "mod.rs"));
    report("mod.rs", &wrong.map(|path| path.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    for path in product_files() {
        let lines = read(&path).lines().count();
        let tests = path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "testing");
        if lines > LONGEST && !tests {
            problems.push(format!("{}: {lines} lines", path.display()));
        }
    }
    report("files of more than 500 lines", &problems);
}

#[test]
fn files_say_what_they_are() {
    let mut problems = Vec::new();
    for path in all_files() {
        let text = read(&path);
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if !first.starts_with("//!") {
            problems.push(path.display().to_string());
        }
    }
    report("files that do not begin with //!", &problems);
}

#[test]
fn main_is_a_sentence() {
    let mut problems = Vec::new();
    for package in members() {
        let folder = folder(package);
        let part = folder.starts_with("services") && package.name.as_str() != "switchboard"
            || folder.starts_with("gateway");
        if !part {
            continue;
        }
        let main = folder.join("src/main.rs");
        if !root().join(&main).exists() {
            problems.push(format!("{} is missing: the part cannot be run alone", main.display()));
        } else if read(&main).lines().count() > LONGEST_MAIN {
            problems.push(format!("{} has more than {LONGEST_MAIN} lines", main.display()));
        }
    }
    report("parts whose main is more than a sentence", &problems);
}

fn find(files: Vec<PathBuf>, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files {
        for (at, line) in code(&read(&path)).collect::<Vec<_>>() {
            let whole = |word: &str| {
                line.match_indices(word).any(|(start, _)| {
                    !line[..start].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
                })
            };
            if let Some(word) = words.iter().find(|word| whole(word)) {
                found.push(format!("{}:{at}: {word}", path.display()));
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_behind() {
    report("forbidden in product code", &find(product_files(), &FORBIDDEN));
}

#[test]
fn no_part_asks_whether_it_shares_a_process() {
    let parts = product_files().into_iter().filter(|path| !path.starts_with("services/all-in-one")).collect();
    report("a part asks how it is run", &find(parts, &UNASKED));
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sample.rs");
    fs::write(
        &file,
        "//! println!(\nwriteln!(out);\n// dbg!(x)\n  println!();\n#[allow(x)]\nnot_todo!()\ntodo!()\n",
    )
    .unwrap();
    let name = file.display();
    let expected =
        [format!("{name}:4: println!("), format!("{name}:5: #[allow("), format!("{name}:7: todo!(")];
    assert_eq!(find(vec![file.clone()], &FORBIDDEN), expected);
}
