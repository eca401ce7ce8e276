//! Cleans up however the test program ends, killed included: a shell that waits for the end of a pipe which only the test
//! program holds open. Nothing that a static holds is ever dropped, and a killed program drops nothing at all.

use parking_lot::Mutex;
use std::{
    fmt::Display,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids= last=
while read -r verb rest; do
  case "$verb" in
    add) pids="$pids $rest" ;;
    del) kept=; for pid in $pids; do [ "$pid" = "$rest" ] || kept="$kept $pid"; done; pids="$kept" ;;
    run) last="$rest
$last" ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
eval "$last"
"#;

static SHELL: LazyLock<Mutex<Child>> = LazyLock::new(|| {
    let mut shell = Command::new("sh");
    // A group of its own: an interrupt from the terminal is for the test program alone.
    shell
        .args(["-c", SCRIPT])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Mutex::new(shell.spawn().expect("a shell"))
});

fn tell(line: impl Display) {
    let mut shell = SHELL.lock();
    let pipe = shell.stdin.as_mut().expect("its standard input");
    writeln!(pipe, "{line}").expect("the guardian listens");
}

/// A program that must not outlive this one.
pub fn watch(pid: u32) {
    tell(format_args!("add {pid}"));
}

/// The program is about to be waited for; its number may soon belong to somebody else.
pub fn forget(pid: u32) {
    tell(format_args!("del {pid}"));
}

/// A shell command for the end; later ones run first.
pub fn run_at_end(command: impl Display) {
    tell(format_args!("run {command}"));
}

/// A folder that is not needed after the end.
pub fn remove_at_end(folder: &Path) {
    run_at_end(format_args!("rm -rf '{}'", folder.display()));
}
