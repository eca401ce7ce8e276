//! A statement with its parameters, and the rows it answers with.

use sqlx::{
    FromRow, Postgres, Sqlite,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs},
    sqlite::{SqliteArguments, SqliteRow},
};

/// Anything a row of either engine can be read into: a struct with `#[derive(sqlx::FromRow)]`, or a tuple.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<R> Row for R where R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// One parameter. `None` is `NULL` of that type.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `TEXT`
    Text(Option<String>),
    /// `BIGINT`; also flags (0 or 1) and times (milliseconds)
    Int(Option<i64>),
    /// `BYTEA` or `BLOB`
    Bytes(Option<Vec<u8>>),
}

/// The text of a statement and the parameters bound so far.
#[derive(Clone)]
pub struct Statement {
    text: &'static str,
    values: Vec<Value>,
}

/// Starts a statement. The text is fixed at compile time; whatever varies is bound.
pub fn sql(text: &'static str) -> Statement {
    Statement { text, values: Vec::new() }
}

impl Statement {
    /// Binds the next parameter: the first call is `$1`.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(crate) fn text(&self) -> &'static str {
        self.text
    }

    pub(crate) fn sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        self.values.into_iter().fold(sqlx::query(self.text), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }

    pub(crate) fn postgres(self) -> Query<'static, Postgres, PgArguments> {
        self.values.into_iter().fold(sqlx::query(self.text), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }

    pub(crate) fn sqlite_rows<R: Row>(self) -> QueryAs<'static, Sqlite, R, SqliteArguments> {
        self.values.into_iter().fold(sqlx::query_as(self.text), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }

    pub(crate) fn postgres_rows<R: Row>(self) -> QueryAs<'static, Postgres, R, PgArguments> {
        self.values.into_iter().fold(sqlx::query_as(self.text), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }
}

// Parameters are customers' words: neither of the two shows them.
impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statement").field("text", &self.text).field("values", &self.values.len()).finish()
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Int(_) => "Int(…)",
            Self::Bytes(_) => "Bytes(…)",
        })
    }
}

macro_rules! values {
    ($($from:ty => |$value:ident| $into:expr),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })+
    };
}

values! {
    &str => |value| Self::Text(Some(value.to_owned())),
    String => |value| Self::Text(Some(value)),
    &String => |value| Self::Text(Some(value.clone())),
    Option<&str> => |value| Self::Text(value.map(str::to_owned)),
    Option<String> => |value| Self::Text(value),
    i64 => |value| Self::Int(Some(value)),
    i32 => |value| Self::Int(Some(value.into())),
    u32 => |value| Self::Int(Some(value.into())),
    Option<i64> => |value| Self::Int(value),
    bool => |value| Self::Int(Some(value.into())),
    Vec<u8> => |value| Self::Bytes(Some(value)),
    &[u8] => |value| Self::Bytes(Some(value.to_vec())),
    Option<Vec<u8>> => |value| Self::Bytes(value),
}

#[cfg(test)]
mod tests {
    use super::{Value, sql};

    #[test]
    fn flags_are_numbers_and_absence_keeps_its_type() {
        assert!(Value::from(true) == Value::Int(Some(1)));
        assert!(Value::from(false) == Value::Int(Some(0)));
        assert!(Value::from(None::<&str>) == Value::Text(None));
        assert!(Value::from(None::<i64>) == Value::Int(None));
    }

    #[test]
    fn what_was_bound_is_not_shown() {
        let statement = sql("SELECT $1").bind("my card is 4111");
        assert!(!format!("{statement:?}").contains("4111"));
        assert!(!format!("{:?}", Value::from("4111")).contains("4111"));
    }
}
