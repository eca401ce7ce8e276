//! The audit log of one service: who did what, in the transaction of the command, chained by hashes, so that a record
//! that is changed, taken out or put in later is noticed.
//!
//! # To have one
//!
//! Copy tables `audit_head` and `audit` with their indexes and the first row of the head from
//! `services/session/migrations/0002_desk.sql` into a migration of the service; append the record as the last statement
//! of the command's transaction, so that the head's lock is held shortly; mount `switchboard_boot::audit::Auditing`.

use crate::{Db, DbError, Tx, sql};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Begins every hashed text: a hash of something else cannot pass for one of these.
const DOMAIN: &str = "switchboard-audit-v1";

/// What is to be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// Who, in the text form of a principal.
    pub actor: String,
    /// As whom, when that is somebody else.
    pub on_behalf_of: String,
    /// `noun.verb`.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// [`digest`] of the object before; empty where there was none.
    pub before_digest: String,
    /// [`digest`] of the object after; empty where there is none.
    pub after_digest: String,
    /// A JSON object of further facts; never secrets or texts of messages.
    pub detail: String,
    /// The address that the request came from, if it is known.
    pub ip: String,
    /// The request.
    pub request_id: String,
}

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Record {
    /// 1, 2, 3 … without a gap.
    pub seq: i64,
    /// See [`NewRecord`].
    pub at: i64,
    /// See [`NewRecord`].
    pub actor: String,
    /// See [`NewRecord`].
    pub on_behalf_of: String,
    /// See [`NewRecord`].
    pub action: String,
    /// See [`NewRecord`].
    pub object: String,
    /// See [`NewRecord`].
    pub before_digest: String,
    /// See [`NewRecord`].
    pub after_digest: String,
    /// See [`NewRecord`].
    pub detail: String,
    /// See [`NewRecord`].
    pub ip: String,
    /// See [`NewRecord`].
    pub request_id: String,
    /// The hash of the record before.
    pub prev: String,
    /// This one's.
    pub hash: String,
}

/// Which records. Empty texts and `None` ask for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Only records with a smaller number.
    pub before_seq: Option<i64>,
    /// Not before this time, in milliseconds.
    pub since: Option<i64>,
    /// Before this time, in milliseconds.
    pub until: Option<i64>,
    /// Exact.
    pub actor: String,
    /// Exact, or a noun with a dot at its end.
    pub action: String,
    /// Exact.
    pub object: String,
    /// How many at most.
    pub limit: i64,
}

/// What checking the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The first record that does not fit.
    pub broken: Option<i64>,
    /// Where to go on; `None`: the end was reached.
    pub next: Option<i64>,
    /// The last record there is, and its hash.
    pub head: (i64, String),
}

/// SHA-256 of a text, in hexadecimal.
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Appends a record. The last statement of a transaction: it holds the head of the chain until the commit.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub async fn append(tx: &mut Tx, new: NewRecord) -> Result<(), DbError> {
    const NEXT: &str = "UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash";
    const ADD: &str = "INSERT INTO audit (seq, at, actor, on_behalf_of, action, object, before_digest, after_digest, \
                       detail, ip, request_id, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
                       $12, $13)";
    const MOVE: &str = "UPDATE audit_head SET hash = $1 WHERE id = 1";
    let (seq, prev): (i64, String) = tx.fetch_one(sql(NEXT)).await?;
    let record = Record::chained(seq, prev, new);
    let hash = record.hash.clone();
    let add = sql(ADD)
        .bind(record.seq)
        .bind(record.at)
        .bind(record.actor)
        .bind(record.on_behalf_of)
        .bind(record.action)
        .bind(record.object)
        .bind(record.before_digest)
        .bind(record.after_digest)
        .bind(record.detail)
        .bind(record.ip)
        .bind(record.request_id)
        .bind(record.prev)
        .bind(record.hash);
    tx.execute(add).await?;
    tx.execute(sql(MOVE).bind(hash)).await?;
    Ok(())
}

/// Whether `new` is on record already: the same was done by the same to the same, and `within` stands in the detail.
///
/// # Errors
/// Any [`DbError`] of the statement.
pub async fn done_before(tx: &mut Tx, new: &NewRecord, within: &str) -> Result<bool, DbError> {
    const DONE: &str = "SELECT seq FROM audit WHERE object = $1 AND action = $2 AND actor = $3 \
                        AND detail LIKE '%' || $4 || '%' LIMIT 1";
    let done =
        sql(DONE).bind(new.object.as_str()).bind(new.action.as_str()).bind(new.actor.as_str()).bind(within);
    Ok(tx.fetch_optional::<(i64,)>(done).await?.is_some())
}

/// Records, newest first.
///
/// # Errors
/// Any [`DbError`] of a read.
pub async fn list(db: &Db, query: &Query) -> Result<Vec<Record>, DbError> {
    const LIST: &str = "SELECT seq, at, actor, on_behalf_of, action, object, before_digest, after_digest, detail, ip, \
                        request_id, prev, hash FROM audit WHERE seq < $1 AND at >= $2 AND at < $3 \
                        AND ($4 = '' OR actor = $4) AND ($5 = '' OR action = $5 OR action LIKE $6) \
                        AND ($7 = '' OR object = $7) ORDER BY seq DESC LIMIT $8";
    // Only a noun with its dot asks for all verbs; the pattern's own signs mean themselves nowhere else.
    let verbs = if query.action.ends_with('.') { format!("{}%", query.action) } else { query.action.clone() };
    let list = sql(LIST)
        .bind(query.before_seq.unwrap_or(i64::MAX))
        .bind(query.since.unwrap_or(i64::MIN))
        .bind(query.until.unwrap_or(i64::MAX))
        .bind(query.actor.as_str())
        .bind(query.action.as_str())
        .bind(verbs)
        .bind(query.object.as_str())
        .bind(query.limit);
    db.fetch_all(list).await
}

/// Recomputes up to `limit` records from `from` (1 is the first) on.
///
/// # Errors
/// Any [`DbError`] of a read.
pub async fn verify(db: &Db, from: i64, limit: i64) -> Result<Verdict, DbError> {
    const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE id = 1";
    const SPAN: &str = "SELECT seq, at, actor, on_behalf_of, action, object, before_digest, after_digest, detail, ip, \
                        request_id, prev, hash FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2";
    // Read first: what is appended in between lies after it and is not looked at.
    let head: (i64, String) = db.fetch_one(sql(HEAD)).await?;
    let from = from.max(1);
    let first = (from - 1).max(1);
    let records: Vec<Record> = db.fetch_all(sql(SPAN).bind(first).bind(limit.max(1) + 1)).await?;
    let mut before = String::new();
    let mut expected = first;
    for record in records.iter().take_while(|record| record.seq <= head.0) {
        let fits = record.seq == expected
            && (record.seq < from || record.prev == before)
            && record.hash == record.computed()
            && (record.seq != head.0 || record.hash == head.1);
        if !fits && record.seq >= from {
            return Ok(Verdict { broken: Some(expected), next: None, head });
        }
        before.clone_from(&record.hash);
        expected = record.seq + 1;
    }
    let is_whole = expected > head.0;
    let stopped_early = records.len() < usize::try_from(limit.max(1) + 1).unwrap_or(usize::MAX);
    // Fewer records than the head says, and no more to come: the tail was cut off.
    let broken = (!is_whole && stopped_early).then_some(expected);
    Ok(Verdict { broken, next: (!is_whole && broken.is_none()).then_some(expected), head })
}

// === impl Record ===

impl Record {
    fn chained(seq: i64, prev: String, new: NewRecord) -> Self {
        let mut record = Self {
            seq,
            at: new.at,
            actor: new.actor,
            on_behalf_of: new.on_behalf_of,
            action: new.action,
            object: new.object,
            before_digest: new.before_digest,
            after_digest: new.after_digest,
            detail: new.detail,
            ip: new.ip,
            request_id: new.request_id,
            prev,
            hash: String::new(),
        };
        record.hash = record.computed();
        record
    }

    /// Every field with its length before it, so that no two records are the same text.
    fn computed(&self) -> String {
        let numbers = [self.seq.to_string(), self.at.to_string()];
        let fields = [
            DOMAIN,
            &self.prev,
            &numbers[0],
            &numbers[1],
            &self.actor,
            &self.on_behalf_of,
            &self.action,
            &self.object,
            &self.before_digest,
            &self.after_digest,
            &self.detail,
            &self.ip,
            &self.request_id,
        ];
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(field.as_bytes());
        }
        hex(&hasher.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
