//! SQLite and Postgres behind one type: [`Db`]. A store writes each statement once and runs on both.
//!
//! One service owns one database: the file `<data_dir>/<name>.db`, or the schema `<name>` of a Postgres database. The
//! engine is chosen once, by the presence of a URL, and no caller asks for it again except to pick between two texts
//! of one statement.
//!
//! # The portable subset
//!
//! - Ids and enums are `TEXT`, times are `BIGINT` milliseconds, flags are `BIGINT` 0 or 1, documents are `TEXT` with JSON
//!   inside, bytes are `BYTEA` (SQLite stores a blob in such a column all the same).
//! - Parameters are `$1`, `$2`, …; one may stand in several places.
//! - `ON CONFLICT … DO NOTHING | DO UPDATE … WHERE` and `RETURNING` work on both. No arrays, engine enums, `now()`,
//!   `SKIP LOCKED`, `DEFERRABLE` constraints.
//! - Postgres is strict about widths when it answers: write `CAST(… AS BIGINT)` around literals, `SUM`, and
//!   `CASE WHEN EXISTS (…) THEN 1 ELSE 0 END`. `COUNT` and `BIGINT` columns need no cast.
//! - A statement that fails ends its transaction ([`DbError::Aborted`] from there on). Ask with `ON CONFLICT`, do not
//!   catch the violation.
//!
//! # Example
//!
//! ```no_run
//! use switchboard_db::{Db, DbError, sql};
//!
//! #[derive(Debug, thiserror::Error)]
//! enum StoreError {
//!     #[error("no such session")]
//!     Unknown,
//!     #[error("the store failed")]
//!     Db(#[from] DbError),
//! }
//!
//! async fn append(db: &Db, session: String, body: String) -> Result<i64, StoreError> {
//!     const NEXT: &str = "UPDATE session SET seq = seq + 1 WHERE id = $1 RETURNING seq";
//!     const ADD: &str = "INSERT INTO entry (session, seq, body) VALUES ($1, $2, $3)";
//!     db.transaction(move |tx| {
//!         Box::pin(async move {
//!             let next = tx.fetch_optional::<(i64,)>(sql(NEXT).bind(&session)).await?;
//!             let (seq,) = next.ok_or(StoreError::Unknown)?;
//!             tx.execute(sql(ADD).bind(session).bind(seq).bind(body)).await?;
//!             Ok(seq)
//!         })
//!     })
//!     .await
//! }
//! ```
//!
//! Inside of a transaction await its statements and nothing else: on SQLite everybody waits for it, and a second
//! transaction or a slow peer in there ends it with [`Outage::TransactionTimeout`].
//!
//! # To add a statement
//!
//! Write it as a `const` beside the store method that runs it, bind in order, and read rows into a struct with
//! `#[derive(sqlx::FromRow)]` or into a tuple. Cover the method on both engines: tests open Postgres when
//! `SWITCHBOARD_TEST_POSTGRES` holds the URL of a database in which schemas may be created.

pub mod audit;
mod db;
mod error;
mod job;
mod meter;
mod postgres;
mod settings;
mod sqlite;
mod statement;
mod tx;

pub use db::{Db, Engine};
pub use error::{Cause, ConstraintKind, DbError, Outage};
pub use settings::{DurabilityCheck, Settings};
pub use statement::{Row, Statement, Value, sql};
pub use tx::Tx;
