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
//! # To add a statement
//!
//! Write it as a `const` beside the store method that runs it, bind in order, and read rows into a struct with
//! `#[derive(sqlx::FromRow)]` or into a tuple. Cover the method on both engines: tests open Postgres when
//! `SWITCHBOARD_TEST_POSTGRES` holds the URL of a database in which schemas may be created.

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
