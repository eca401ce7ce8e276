//! Where a test keeps its data.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::fmt::Write as _;
use switchboard_boot::{NodeConfig, Sources, Tree, system::SystemRng};
use switchboard_domain::Rng as _;
use tempfile::TempDir;

/// A database of its own, on either engine.
pub(super) struct Place {
    folder: TempDir,
    postgres: Option<Postgres>,
}

struct Postgres {
    server: String,
    name: String,
}

impl Place {
    /// Files in a new folder.
    pub(super) fn sqlite() -> Self {
        Self { folder: TempDir::new().unwrap(), postgres: None }
    }

    /// One on each engine: Postgres where `SWITCHBOARD_TEST_POSTGRES` holds the URL of a server on which databases may be
    /// created.
    pub(super) async fn each() -> Vec<Self> {
        let mut places = vec![Self::sqlite()];
        #[expect(clippy::disallowed_methods, reason = "tests of the engine have no configuration")]
        if let Ok(server) = std::env::var("SWITCHBOARD_TEST_POSTGRES") {
            let mut chance = [0_u8; 8];
            SystemRng.fill(&mut chance);
            let mut name = String::from("t_");
            for byte in chance {
                write!(name, "{byte:02x}").unwrap();
            }
            administer(&server, format!("CREATE DATABASE {name}")).await;
            places.push(Self { postgres: Some(Postgres { server, name }), ..Self::sqlite() });
        }
        places
    }

    /// The defaults, with this place and patience enough for a machine that does other things too.
    pub(super) fn node(&self) -> NodeConfig {
        let mut flags =
            vec![("database.data_dir".to_owned(), self.folder.path().to_str().unwrap().to_owned())];
        flags.push(("database.durability_check".to_owned(), "off".to_owned()));
        for timeout in ["acquire_timeout", "statement_timeout", "lock_timeout", "transaction_timeout"] {
            flags.push((format!("database.{timeout}"), "20s".to_owned()));
        }
        if let Some(Postgres { server, name }) = &self.postgres {
            flags.push(("database.url".to_owned(), format!("{}/{name}", server.rsplit_once('/').unwrap().0)));
        }
        let (sources, mut problems) = (Sources { flags, ..Sources::default() }, Vec::new());
        let node = Tree::load(&sources, &mut problems).extract(&mut problems);
        node.unwrap_or_else(|| panic!("{problems:?}"))
    }

    /// Takes everything away.
    pub(super) async fn close(self) {
        if let Some(Postgres { server, name }) = &self.postgres {
            administer(server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
        self.folder.close().unwrap();
    }
}

async fn administer(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
}
