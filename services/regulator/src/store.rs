//! Reads and writes tables `rule_document` and `rule_head`; every command leaves an audit record in its transaction.

mod decisions;

pub(crate) use decisions::{Decided, DecisionRow, NewDecision, Page};

use crate::{RegulatorError, document::Document};
use serde_json::{Value, json};
use std::sync::Arc;
use switchboard_boot::audit;
use switchboard_db::{
    Db, Tx,
    audit::{NewRecord, append, digest},
    sql,
};
use switchboard_domain::{Clock, Rng};

/// Who made the first version.
const CONFIGURATION: &str = "configuration";
/// Columns of [`DocumentRow`].
macro_rules! document_columns {
    () => {
        "ordinal, digest, document, canonical, note, created_by, created_at, published_by, published_at"
    };
}

/// The tables of the regulator.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: Db,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// A row of `rule_document`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DocumentRow {
    pub(crate) ordinal: i64,
    pub(crate) digest: String,
    pub(crate) document: String,
    pub(crate) canonical: String,
    pub(crate) note: String,
    pub(crate) created_by: String,
    pub(crate) created_at: i64,
    pub(crate) published_by: Option<String>,
    pub(crate) published_at: Option<i64>,
}

/// Which versions decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Head {
    pub(crate) published: i64,
    pub(crate) shadow: Option<i64>,
}

impl Store {
    /// Over an open, migrated database.
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { db, clock, rng }
    }

    /// Publishes the configured document if nothing ever was. Of many processes that start at once one does it.
    ///
    /// # Errors
    /// Any failure of the store.
    pub(crate) async fn begin(&self, first: Document) -> Result<(), RegulatorError> {
        const HEAD: &str =
            "INSERT INTO rule_head (id, last, published) VALUES (1, 1, 1) ON CONFLICT (id) DO NOTHING";
        const FIRST: &str = "INSERT INTO rule_document (ordinal, digest, document, canonical, note, created_by, \
                             created_at, published_by, published_at) VALUES (1, $1, $2, $3, '', $4, $5, $4, $5) \
                             ON CONFLICT DO NOTHING";
        let now = self.clock.now().millis();
        let record = NewRecord {
            actor: CONFIGURATION.to_owned(),
            object: object(1),
            ..self.record("rules.publish", None, Some(&first.digest))
        };
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let first = sql(FIRST)
                        .bind(first.digest)
                        .bind(first.written)
                        .bind(first.canonical)
                        .bind(CONFIGURATION)
                        .bind(now);
                    // The document comes first, which the head refers to.
                    tx.execute(first).await?;
                    if tx.execute(sql(HEAD)).await? == 1 {
                        append(tx, record).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Which versions decide.
    pub(crate) async fn head(&self) -> Result<Head, RegulatorError> {
        Ok(self.db.fetch_one(sql("SELECT published, shadow FROM rule_head WHERE id = 1")).await?)
    }

    /// One version.
    pub(crate) async fn document(&self, ordinal: i64) -> Result<DocumentRow, RegulatorError> {
        const GET: &str = concat!("SELECT ", document_columns!(), " FROM rule_document WHERE ordinal = $1");
        self.db.fetch_optional(sql(GET).bind(ordinal)).await?.ok_or(RegulatorError::NoVersion)
    }

    /// Versions with a smaller ordinal, newest first.
    pub(crate) async fn documents(
        &self,
        before: i64,
        limit: i64,
    ) -> Result<Vec<DocumentRow>, RegulatorError> {
        const LIST: &str = concat!(
            "SELECT ",
            document_columns!(),
            " FROM rule_document WHERE ordinal < $1 ORDER BY ordinal DESC LIMIT $2"
        );
        Ok(self.db.fetch_all(sql(LIST).bind(before).bind(limit)).await?)
    }

    /// Keeps a document as a new version, unless one says the same; gives the version and whether it is new.
    pub(crate) async fn put(
        &self,
        document: Document,
        note: String,
    ) -> Result<(DocumentRow, bool), RegulatorError> {
        const LOCK: &str = "UPDATE rule_head SET last = last WHERE id = 1 RETURNING last";
        const SAME: &str = concat!("SELECT ", document_columns!(), " FROM rule_document WHERE digest = $1");
        const ADD: &str = concat!(
            "INSERT INTO rule_document (",
            document_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL)"
        );
        const MOVE: &str = "UPDATE rule_head SET last = $1 WHERE id = 1";
        let now = self.clock.now().millis();
        let record = self.record("rules.put", None, Some(&document.digest));
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let (last,): (i64,) = tx.fetch_one(sql(LOCK)).await?;
                    if let Some(same) = tx.fetch_optional(sql(SAME).bind(&document.digest)).await? {
                        return Ok((same, false));
                    }
                    let row = DocumentRow {
                        ordinal: last + 1,
                        digest: document.digest,
                        document: document.written,
                        canonical: document.canonical,
                        note,
                        created_by: record.actor.clone(),
                        created_at: now,
                        published_by: None,
                        published_at: None,
                    };
                    let add = sql(ADD)
                        .bind(row.ordinal)
                        .bind(row.digest.as_str())
                        .bind(row.document.as_str())
                        .bind(row.canonical.as_str())
                        .bind(row.note.as_str())
                        .bind(row.created_by.as_str())
                        .bind(row.created_at);
                    tx.execute(add).await?;
                    tx.execute(sql(MOVE).bind(row.ordinal)).await?;
                    append(tx, NewRecord { object: object(row.ordinal), ..record }).await?;
                    Ok((row, true))
                })
            })
            .await
    }

    /// Puts a version into force if `expected` still is; gives it. One that is in force already stays so.
    pub(crate) async fn publish(&self, ordinal: i64, expected: i64) -> Result<DocumentRow, RegulatorError> {
        // The lock of the head's row makes all changes come one after the other.
        const MOVE: &str = "UPDATE rule_head SET published = $1, \
                            shadow = CASE WHEN shadow = $1 THEN NULL ELSE shadow END \
                            WHERE id = 1 AND published = $2 AND published <> $1";
        const STAMP: &str = concat!(
            "UPDATE rule_document SET published_by = $2, published_at = $3 WHERE ordinal = $1 RETURNING ",
            document_columns!()
        );
        let row = self.document(ordinal).await?;
        let before = self.document(expected).await?;
        let record = self.record("rules.publish", Some(&before.digest), Some(&row.digest));
        let now = self.clock.now().millis();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    if tx.execute(sql(MOVE).bind(ordinal).bind(expected)).await? == 0 {
                        let Head { published, .. } = head(tx).await?;
                        // A repeat of a call whose answer was lost.
                        return if published == ordinal {
                            Ok(row)
                        } else {
                            Err(RegulatorError::Moved { published })
                        };
                    }
                    let stamp = sql(STAMP).bind(ordinal).bind(record.actor.as_str()).bind(now);
                    let row = tx.fetch_one(stamp).await?;
                    let detail = json!({ "before": expected }).to_string();
                    append(tx, NewRecord { object: object(ordinal), detail, ..record }).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Makes a version the shadow, or none.
    pub(crate) async fn set_shadow(
        &self,
        shadow: Option<i64>,
    ) -> Result<Option<DocumentRow>, RegulatorError> {
        const MOVE: &str = "UPDATE rule_head SET shadow = $1 WHERE id = 1";
        let row = match shadow {
            Some(ordinal) => Some(self.document(ordinal).await?),
            None => None,
        };
        let record = self.record("rules.shadow", None, row.as_ref().map(|row| &row.digest));
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    // Locked first: nobody publishes in between.
                    tx.execute(sql("UPDATE rule_head SET last = last WHERE id = 1")).await?;
                    let head = head(tx).await?;
                    if shadow == Some(head.published) {
                        return Err(RegulatorError::InForce);
                    }
                    if shadow != head.shadow {
                        let before_digest = match head.shadow {
                            Some(before) => digest(&audited(&digest_in(tx, before).await?).to_string()),
                            None => String::new(),
                        };
                        tx.execute(sql(MOVE).bind(shadow)).await?;
                        let detail = json!({ "before": head.shadow, "after": shadow }).to_string();
                        let object = object(shadow.or(head.shadow).unwrap_or_default());
                        append(tx, NewRecord { object, detail, before_digest, ..record }).await?;
                    }
                    Ok(row)
                })
            })
            .await
    }

    /// What the running call is written down as. Made outside of the transaction, in which the call is not known.
    fn record(&self, action: &str, before: Option<&String>, after: Option<&String>) -> NewRecord {
        let of = |digest: Option<&String>| digest.map(|digest| audited(digest));
        let (before, after): (Option<Value>, Option<Value>) = (of(before), of(after));
        audit::record(&*self.clock, action, "", before.as_ref(), after.as_ref(), &json!({}))
    }
}

async fn head(tx: &mut Tx) -> Result<Head, RegulatorError> {
    Ok(tx.fetch_one(sql("SELECT published, shadow FROM rule_head WHERE id = 1")).await?)
}

async fn digest_in(tx: &mut Tx, ordinal: i64) -> Result<String, RegulatorError> {
    const DIGEST: &str = "SELECT digest FROM rule_document WHERE ordinal = $1";
    let found: Option<(String,)> = tx.fetch_optional(sql(DIGEST).bind(ordinal)).await?;
    Ok(found.ok_or(RegulatorError::NoVersion)?.0)
}

/// What the audit log keeps a digest of.
fn audited(digest: &str) -> Value {
    json!({ "document": digest })
}

/// How the audit log names a version.
fn object(ordinal: i64) -> String {
    format!("rules/{ordinal}")
}
