//! Databases for the mesh: on the server that `SWITCHBOARD_TEST_POSTGRES` names, else on a private one that lives as long
//! as the test program.

use crate::{guardian, ports};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions};
use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};
use tokio::sync::OnceCell;

/// Names the server to be used instead of a private one.
const GIVEN: &str = "SWITCHBOARD_TEST_POSTGRES";
const HINT: &str =
    "the mesh needs PostgreSQL: run tests/setup.sh, or name a server in SWITCHBOARD_TEST_POSTGRES";
/// Attempts to find a port that nobody takes meanwhile.
const STARTS: usize = 5;
const PREFIX: &str = "switchboard_test_";

static SERVER: OnceCell<Result<PgConnectOptions, String>> = OnceCell::const_new();

/// Makes an empty database and gives its URL. Without a server the test fails and says what to do.
pub async fn fresh_database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server =
        SERVER.get_or_init(server).await.as_ref().unwrap_or_else(|problem| panic!("{problem}\n{HINT}"));
    let name = format!("{PREFIX}{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    run(server, &format!("CREATE DATABASE {name}"))
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}\n{HINT}"));
    server.clone().database(&name).to_url_lossy().to_string()
}

async fn run(server: &PgConnectOptions, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = server.connect().await?;
    connection.execute(AssertSqlSafe(statement.to_owned())).await?;
    connection.close().await
}

async fn server() -> Result<PgConnectOptions, String> {
    if let Ok(url) = env::var(GIVEN) {
        let options: PgConnectOptions = url.parse().map_err(|error| format!("{GIVEN}={url}: {error}"))?;
        tidy(&options).await.map_err(|error| format!("{GIVEN}={url}: {error}"))?;
        return Ok(options);
    }
    let url = tokio::task::spawn_blocking(start).await.map_err(|error| error.to_string())??;
    url.parse().map_err(|error| format!("{url}: {error}"))
}

/// Drops the databases of test programs that have ended: a given server outlives them.
async fn tidy(server: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = server.connect().await?;
    const OURS: &str = "SELECT datname FROM pg_database WHERE datname LIKE 'switchboard_test_%'";
    let names: Vec<(String,)> = sqlx::query_as(OURS).fetch_all(&mut connection).await?;
    for (name,) in names {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()).unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            // Another test program may be just as tidy.
            let _ = connection
                .execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
                .await;
        }
    }
    connection.close().await
}

/// Starts a private server in a temporary folder. It is fast, not durable: no test pulls the plug on it.
fn start() -> Result<String, String> {
    let programs = programs().ok_or("there is no initdb in PATH or /usr/lib/postgresql")?;
    let folder = tempfile::Builder::new()
        .prefix("switchboard-postgres.")
        .tempdir()
        .map_err(|error| error.to_string())?;
    let folder = folder.keep();
    guardian::remove_at_end(&folder);
    // The server refuses to run as root.
    let as_root = is_root();
    if as_root {
        command("chown", ["postgres".as_ref(), folder.as_os_str()])?;
    }
    let run = |program: &str, arguments: &[&str]| {
        let program = programs.join(program);
        let mut all: Vec<&OsStr> = Vec::new();
        if as_root {
            all.extend(["-u", "postgres", "--"].map(OsStr::new));
            all.push(program.as_os_str());
        }
        all.extend(arguments.iter().map(OsStr::new));
        if as_root { command("runuser", all) } else { command(&program, all) }
    };
    let data = folder.join("data").display().to_string();
    run(
        "initdb",
        &["-D", &data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
    )?;
    let stop = format!("'{}' -D '{data}' -m immediate stop", programs.join("pg_ctl").display());
    let mut problem = String::new();
    for _ in 0..STARTS {
        let port = ports::free();
        let options = format!(
            "-p {port} -k '{}' -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync=off \
             -c synchronous_commit=off -c full_page_writes=off",
            folder.display()
        );
        let log = folder.join("server.log").display().to_string();
        match run("pg_ctl", &["-D", &data, "-w", "-t", "60", "-l", &log, "-o", &options, "start"]) {
            Ok(()) => {
                let prefix = if as_root { "runuser -u postgres -- " } else { "" };
                guardian::run_at_end(format_args!("{prefix}{stop}"));
                return Ok(format!("postgres://postgres@127.0.0.1:{port}/postgres"));
            }
            Err(error) => problem = format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()),
        }
    }
    Err(problem)
}

fn is_root() -> bool {
    let told = Command::new("id").arg("-u").output();
    told.is_ok_and(|told| told.stdout.trim_ascii() == b"0")
}

/// The folder with `initdb` and `pg_ctl`: the newest of Debian's, else the one in PATH.
fn programs() -> Option<PathBuf> {
    let has = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let version = |folder: &PathBuf| {
        folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok())
    };
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = packaged.map(|entry| entry.path().join("bin")).filter(has).max_by_key(version);
    newest.or_else(|| env::split_paths(&env::var_os("PATH")?).find(has))
}

/// Runs a command to its end. Output goes to a file: a server that it leaves behind would hold a pipe open.
fn command<'a>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<(), String> {
    let name = program.as_ref().to_string_lossy().into_owned();
    let told = tempfile::tempfile().map_err(|error| error.to_string())?;
    let (out, err) = (told.try_clone(), told.try_clone());
    let (Ok(out), Ok(err)) = (out, err) else { return Err("no file handles left".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(err);
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let mut words = String::new();
    let _ = std::io::Seek::rewind(&mut &told)
        .and_then(|()| std::io::Read::read_to_string(&mut &told, &mut words));
    Err(format!("{name}: {status}\n{words}"))
}
