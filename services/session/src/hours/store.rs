//! Table `hours_document`: one row for each version that was published.

use super::{Published, WorkingHours};
use crate::error::SessionError;
use std::sync::Arc;
use switchboard_db::{
    Db,
    audit::{self, NewRecord},
    sql,
};
use switchboard_domain::{Timestamp, hours::Hours};
use switchboard_proto::session::v1 as wire;
use tokio::time::Instant;

/// A row of `hours_document`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct DocumentRow {
    version: i64,
    document: String,
    by_whom: String,
    at: i64,
}

impl DocumentRow {
    /// As it was published, whether or not it can be read today.
    pub(super) fn told(self) -> wire::HoursVersion {
        wire::HoursVersion {
            version: self.version,
            document: self.document,
            by: self.by_whom,
            at_ms: self.at,
        }
    }

    /// `None`, and a line in the log, when a newer program wrote what this one cannot read: what is known goes on
    /// counting.
    pub(super) fn read(self) -> Option<Published> {
        match Hours::parse(&self.document) {
            Ok(hours) => Some(Published {
                version: self.version,
                document: self.document,
                by: self.by_whom,
                at: Timestamp::from_millis(self.at),
                hours,
                warnings: Vec::new(),
            }),
            Err(problems) => {
                let problem = problems.first().map(ToString::to_string).unwrap_or_default();
                tracing::error!(version = self.version, problem, "published working hours cannot be read");
                None
            }
        }
    }
}

const NEWEST: &str = "SELECT version, document, by_whom, at FROM hours_document WHERE version > $1 \
                      ORDER BY version DESC LIMIT 1";

/// The newest version, if it is newer than `known`.
pub(super) async fn newer(db: &Db, known: i64) -> Result<Option<DocumentRow>, SessionError> {
    Ok(db.fetch_optional(sql(NEWEST).bind(known)).await?)
}

/// What was published before version `before`, newest first.
pub(super) async fn versions(db: &Db, before: i64, limit: i64) -> Result<Vec<DocumentRow>, SessionError> {
    const OLDER: &str = "SELECT version, document, by_whom, at FROM hours_document WHERE version < $1 \
                         ORDER BY version DESC LIMIT $2";
    Ok(db.fetch_all(sql(OLDER).bind(before).bind(limit)).await?)
}

/// What is to be published.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) document: String,
    pub(super) hours: Hours,
    /// The version that it follows.
    pub(super) after: i64,
    pub(super) by: String,
    pub(super) at: Timestamp,
    pub(super) record: NewRecord,
}

impl WorkingHours {
    /// Publishes a document as the version after `after`, with its record in the same transaction.
    ///
    /// # Errors
    /// [`SessionError::HoursMoved`] when another version is published.
    pub(super) async fn publish(&self, new: Publication) -> Result<Arc<Published>, SessionError> {
        let (document, by, at, after, record) = (new.document, new.by, new.at, new.after, new.record);
        let published = Published {
            version: after + 1,
            document: document.clone(),
            by: by.clone(),
            at,
            hours: new.hours,
            warnings: Vec::new(),
        };
        self.0
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    const LAST: &str = "SELECT COALESCE(MAX(version), 0) FROM hours_document";
                    const ADD: &str = "INSERT INTO hours_document (version, document, by_whom, at) \
                                       VALUES ($1, $2, $3, $4) ON CONFLICT (version) DO NOTHING";
                    let (last,): (i64,) = tx.fetch_one(sql(LAST)).await?;
                    if last != after {
                        return Err(SessionError::HoursMoved(last));
                    }
                    let add = sql(ADD).bind(after + 1).bind(document).bind(by).bind(at.millis());
                    if tx.execute(add).await? != 1 {
                        return Err(SessionError::HoursMoved(after + 1));
                    }
                    Ok(audit::append(tx, record).await?)
                })
            })
            .await?;
        let published = Arc::new(published);
        self.keep(&published, Instant::now());
        Ok(published)
    }
}
