//! One real program: started, found ready, killed, stopped. Only programs that were started here are ever ended.

use crate::{guardian, patience::try_within};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::time::Instant;

/// What a program says when it is ready.
const READY: &str = " is ready";

/// How a program is started; always in the same way, however often.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Its name in file names and failures.
    pub label: String,
    /// The command line after the program's name.
    pub arguments: Vec<String>,
    /// Its environment beside what every program gets.
    pub environment: BTreeMap<String, String>,
}

/// How a program ended that was asked to stop.
#[derive(Debug, Clone, Copy)]
pub struct Stopped {
    /// Its exit code.
    pub status: ExitStatus,
    /// How long it took.
    pub took: Duration,
}

/// One program. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    recipe: Recipe,
    child: Mutex<Option<Child>>,
    output: PathBuf,
    log: PathBuf,
}

/// The `switchboard` that was built beside the running test.
///
/// # Errors
/// What to do when there is none.
pub fn switchboard() -> Result<PathBuf, String> {
    let test = env::current_exe().map_err(|error| format!("this test program cannot be found: {error}"))?;
    let built = test.parent().and_then(Path::parent).ok_or("this test program lies in no target folder")?;
    let program = built.join("switchboard");
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("{} is missing: run `cargo build --workspace` first", program.display()))
}

/// What to do when the program is older than what it is made of. `cargo test` builds tests, not the programs they start.
pub fn staleness() -> Option<String> {
    let program = switchboard().ok()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let built = fs::metadata(&program).ok()?.modified().ok()?;
    let mut folders: Vec<PathBuf> =
        ["proto", "shared", "services", "gateway"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let about = entry.metadata().ok()?;
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.modified().is_ok_and(|changed| changed > built) {
                let changed = entry.path();
                return Some(format!(
                    "{} is older than {}: run `cargo build --workspace`",
                    program.display(),
                    changed.display()
                ));
            }
        }
    }
    None
}

/// Where logs of programs are kept: one file each, written anew in every run.
fn logs() -> io::Result<PathBuf> {
    let test = env::current_exe()?;
    let name = test.file_stem().and_then(|name| name.to_str()).unwrap_or("test");
    let name = name.rsplit_once('-').map_or(name, |(name, _hash)| name);
    let folder = test.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("test-logs").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Program {
    /// Names a program that is not started yet.
    pub fn new(recipe: Recipe) -> Self {
        let folder = logs().expect("a folder for logs");
        let (output, log) =
            (folder.join(format!("{}.out", recipe.label)), folder.join(format!("{}.log", recipe.label)));
        File::create(&log).expect("an empty log");
        Self { recipe, child: Mutex::new(None), output, log }
    }

    /// Starts it.
    pub fn start(&self) {
        let program = switchboard().unwrap_or_else(|hint| panic!("{hint}"));
        let mut child = self.child.lock();
        assert!(child.is_none(), "{} runs already", self.recipe.label);
        let output = File::create(&self.output).expect("a file for the output");
        let log = OpenOptions::new().append(true).open(&self.log).expect("the log");
        let mut command = Command::new(program);
        for (name, _) in
            env::vars().filter(|(name, _)| name.starts_with("SWITCHBOARD") || name.starts_with("OTEL_"))
        {
            command.env_remove(name);
        }
        command.args(&self.recipe.arguments).envs(&self.recipe.environment);
        command.stdin(Stdio::null()).stdout(output).stderr(log);
        let started = command.spawn().expect("the program starts");
        guardian::watch(started.id());
        *child = Some(started);
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// Its last words, when it ends instead or takes longer than `bound`.
    pub async fn ready(&self, bound: Duration) -> Result<(), String> {
        let seen = try_within(bound, async || {
            if self.output().lines().any(|line| line.ends_with(READY)) {
                return Some(true);
            }
            self.has_ended().then_some(false)
        });
        match seen.await {
            Some(true) => Ok(()),
            Some(false) => Err(format!("{} ended at its start:\n{}", self.recipe.label, self.last_words())),
            None => {
                Err(format!("{} is not ready after {bound:?}:\n{}", self.recipe.label, self.last_words()))
            }
        }
    }

    /// Its process number, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.lock().as_ref().map(Child::id)
    }

    /// Whether it ended by itself, or was never started.
    pub fn has_ended(&self) -> bool {
        self.child.lock().as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Kills it like a power cut would: no chance to finish anything.
    pub fn kill9(&self) {
        let Some(mut child) = self.child.lock().take() else { return };
        // Fails only when it has ended already.
        let _ = child.kill();
        guardian::forget(child.id());
        let _ = child.wait();
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// Its last words, when it takes longer than `bound`; it is killed then.
    pub async fn stop(&self, bound: Duration) -> Result<Stopped, String> {
        let started = Instant::now();
        self.terminate();
        let ended = try_within(bound, async || {
            self.child.lock().as_mut().and_then(|child| child.try_wait().ok().flatten())
        });
        let status = ended.await;
        let took = started.elapsed();
        self.kill9();
        let label = &self.recipe.label;
        let status =
            status.ok_or_else(|| format!("{label} runs {bound:?} after SIGTERM:\n{}", self.last_words()))?;
        Ok(Stopped { status, took })
    }

    /// Sends SIGTERM and does not wait.
    pub fn terminate(&self) {
        let pid = self.pid().expect("it runs");
        let told = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "SIGTERM for {}", self.recipe.label);
    }

    /// What it has written to its standard output since its last start.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its log, and where all of it is.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        format!("--- {} ---\n{}{last}\n", self.log.display(), self.output())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill9();
    }
}
