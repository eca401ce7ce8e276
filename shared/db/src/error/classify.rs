//! From the drivers' errors to ours: codes and the names inside of messages.

use sqlx::{
    error::{DatabaseError, ErrorKind},
    migrate::MigrateError,
    postgres::PgDatabaseError,
};

use super::{Cause, ConstraintKind, DbError, Outage};

impl From<sqlx::Error> for DbError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the driver may add variants; all others are faults of a statement"
    )]
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let unavailable = |outage, error: E| Self::Unavailable { outage, source: Some(error.into()) };
        match error {
            E::Database(error) => of_database(error),
            E::RowNotFound => Self::NoRow,
            E::PoolTimedOut => unavailable(Outage::PoolTimeout, error),
            E::PoolClosed => unavailable(Outage::Closed, error),
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::WorkerCrashed | E::BeginFailed => {
                unavailable(Outage::Connection, error)
            }
            E::Configuration(_) | E::ConfigFile(_) => {
                Self::Misconfigured("the connection settings are refused".into())
            }
            E::ColumnIndexOutOfBounds { .. }
            | E::ColumnNotFound(_)
            | E::ColumnDecode { .. }
            | E::Decode(_)
            | E::TypeNotFound { .. } => Self::Decode { source: error.into() },
            _ => Self::Query { source: error.into() },
        }
    }
}

impl From<MigrateError> for DbError {
    fn from(error: MigrateError) -> Self {
        let MigrateError::Execute(error) = error else {
            return Self::Migration { source: Cause::new(error) };
        };
        let error = Self::from(error);
        // Waiting for another process, or losing the server, is no fault of the migration.
        if matches!(error, Self::Contention { .. } | Self::Unavailable { .. }) {
            return error;
        }
        Self::Migration { source: Cause::new(error) }
    }
}

fn of_database(error: Box<dyn DatabaseError>) -> DbError {
    if let Some(kind) = constraint_kind(error.kind()) {
        return of_constraint(kind, error);
    }
    let code = error.code().unwrap_or_default().into_owned();
    let is_postgres = error.try_downcast_ref::<PgDatabaseError>().is_some();
    let source = Cause::from(sqlx::Error::Database(error));
    if is_postgres { of_sqlstate(&code, source) } else { of_result_code(code.parse().unwrap_or(1), source) }
}

/// SQLSTATE codes; the first two characters are the class.
fn of_sqlstate(code: &str, source: Cause) -> DbError {
    let outage = match code {
        "40001" | "40P01" | "55P03" => return DbError::Contention { source: Some(source) },
        "57014" => Outage::StatementTimeout,
        "53100" => Outage::DiskFull,
        "25006" => Outage::ReadOnly,
        "58030" => Outage::Io,
        "XX001" | "XX002" => return DbError::Corrupt { source },
        "3D000" | "42501" => return DbError::Misconfigured(source.to_string()),
        _ => match code.get(..2) {
            Some("08" | "53" | "57") => Outage::Connection,
            _ if code == "25P03" => Outage::Connection,
            Some("23") => {
                let (name, table) = (String::new(), String::new());
                return DbError::Constraint {
                    kind: ConstraintKind::Other,
                    name,
                    table,
                    columns: Vec::new(),
                    source,
                };
            }
            Some("28") => return DbError::Misconfigured(source.to_string()),
            _ => return DbError::Query { source },
        },
    };
    DbError::Unavailable { outage, source: Some(source) }
}

/// SQLite's extended result codes; the low byte is the primary one.
fn of_result_code(code: i32, source: Cause) -> DbError {
    const FLUSH: i32 = 0x40a;
    const FLUSH_FOLDER: i32 = 0x50a;
    let outage = match (code & 0xff, code) {
        (5 | 6, _) => return DbError::Contention { source: Some(source) },
        (11 | 26, _) => return DbError::Corrupt { source },
        (_, FLUSH | FLUSH_FOLDER) => Outage::Flush,
        (7 | 10 | 14, _) => Outage::Io,
        (8, _) => Outage::ReadOnly,
        (13, _) => Outage::DiskFull,
        (19, _) => {
            let (name, table) = (String::new(), String::new());
            return DbError::Constraint {
                kind: ConstraintKind::Other,
                name,
                table,
                columns: Vec::new(),
                source,
            };
        }
        _ => return DbError::Query { source },
    };
    DbError::Unavailable { outage, source: Some(source) }
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    reason = "as the driver hands it out"
)]
fn constraint_kind(kind: ErrorKind) -> Option<ConstraintKind> {
    match kind {
        ErrorKind::UniqueViolation => Some(ConstraintKind::Unique),
        ErrorKind::ForeignKeyViolation => Some(ConstraintKind::ForeignKey),
        ErrorKind::NotNullViolation => Some(ConstraintKind::NotNull),
        ErrorKind::CheckViolation => Some(ConstraintKind::Check),
        _ => None,
    }
}

fn of_constraint(kind: ConstraintKind, error: Box<dyn DatabaseError>) -> DbError {
    let (name, table, columns) = match error.try_downcast_ref::<PgDatabaseError>() {
        Some(error) => (
            error.constraint().unwrap_or_default().to_owned(),
            error.table().unwrap_or_default().to_owned(),
            match error.column() {
                Some(column) => vec![column.to_owned()],
                None => error.detail().map(key_columns).unwrap_or_default(),
            },
        ),
        None => named_in_message(error.message()),
    };
    DbError::Constraint { kind, name, table, columns, source: sqlx::Error::Database(error).into() }
}

/// `Key (session, client_message_id)=(…) already exists.` in whatever language: the names between the first `(` and `)=(`.
fn key_columns(detail: &str) -> Vec<String> {
    let Some((names, _)) = detail.split_once('(').and_then(|(_, rest)| rest.split_once(")=(")) else {
        return Vec::new();
    };
    names.split(", ").map(|name| name.trim_matches('"').to_owned()).collect()
}

/// `UNIQUE constraint failed: entry.session, entry.client_message_id` or `CHECK constraint failed: name`.
fn named_in_message(message: &str) -> (String, String, Vec<String>) {
    let Some((_, name)) = message.split_once("constraint failed: ") else {
        return (String::new(), String::new(), Vec::new());
    };
    let pairs: Option<Vec<(&str, &str)>> = name.split(", ").map(|column| column.split_once('.')).collect();
    match pairs.as_deref() {
        Some([(table, _), ..]) => {
            let columns = pairs.iter().flatten().map(|(_, column)| (*column).to_owned()).collect();
            (name.to_owned(), (*table).to_owned(), columns)
        }
        _ => (name.to_owned(), String::new(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, DbError, Outage, key_columns, named_in_message, of_result_code, of_sqlstate};

    fn said() -> Cause {
        Cause::from(sqlx::Error::WorkerCrashed)
    }

    #[test]
    fn names_are_found_in_either_engines_words() {
        let (name, table, columns) =
            named_in_message("UNIQUE constraint failed: entry.session, entry.client_message_id");
        assert_eq!(name, "entry.session, entry.client_message_id");
        assert_eq!((table.as_str(), columns.join("+").as_str()), ("entry", "session+client_message_id"));
        assert_eq!(named_in_message("CHECK constraint failed: positive").0, "positive");
        assert_eq!(named_in_message("FOREIGN KEY constraint failed").0, "");
        assert_eq!(
            key_columns("Key (session, client_message_id)=(a, b) already exists."),
            ["session", "client_message_id"]
        );
        assert_eq!(key_columns("Schlüssel »(\"order\")=(1)« existiert bereits."), ["order"]);
    }

    #[test]
    fn codes_decide_what_may_be_repeated() {
        let outage = |error| {
            let DbError::Unavailable { outage, .. } = error else { return None };
            Some(outage)
        };
        assert_eq!(outage(of_result_code(1034, said())), Some(Outage::Flush));
        assert_eq!(outage(of_result_code(1290, said())), Some(Outage::Flush));
        assert_eq!(outage(of_result_code(266, said())), Some(Outage::Io));
        assert_eq!(outage(of_result_code(13, said())), Some(Outage::DiskFull));
        assert_eq!(outage(of_result_code(8, said())), Some(Outage::ReadOnly));
        assert!(matches!(of_result_code(517, said()), DbError::Contention { .. }));
        assert!(matches!(of_result_code(11, said()), DbError::Corrupt { .. }));
        assert!(matches!(of_result_code(1, said()), DbError::Query { .. }));
        assert!(matches!(of_sqlstate("40001", said()), DbError::Contention { .. }));
        assert_eq!(outage(of_sqlstate("57014", said())), Some(Outage::StatementTimeout));
        assert_eq!(outage(of_sqlstate("57P01", said())), Some(Outage::Connection));
        assert_eq!(outage(of_sqlstate("25P03", said())), Some(Outage::Connection));
        assert_eq!(outage(of_sqlstate("53100", said())), Some(Outage::DiskFull));
        assert!(matches!(of_sqlstate("28P01", said()), DbError::Misconfigured(_)));
        assert!(matches!(of_sqlstate("42601", said()), DbError::Query { .. }));
    }
}
