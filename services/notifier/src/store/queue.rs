//! Deliveries that wait: leased, tried outside of any transaction, recorded.

use super::{
    Store,
    rows::{DeliveryRow, delivery_columns},
};
use crate::{
    NAME,
    attempt::{Attempt, Next, Outcome},
    channel::{Channel, Destination},
};
use serde_json::json;
use std::time::Duration;
use switchboard_db::{
    DbError, Engine, Tx,
    audit::{self, NewRecord},
    sql,
};
use switchboard_domain::{DeliveryId, Principal, Timestamp, WebhookId};
use switchboard_mesh::TraceContext;

/// What the open deliveries of a disabled endpoint say.
pub(super) const DISABLED: &str = "the endpoint is disabled";

/// A delivery in the hands of this process.
#[derive(Debug, Clone)]
pub(crate) struct Leased {
    pub(crate) id: DeliveryId,
    pub(crate) event_id: String,
    /// Empty for tests.
    pub(crate) session: String,
    pub(crate) seq: i64,
    pub(crate) kind: String,
    pub(crate) at: Timestamp,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) channel: Channel,
    /// The number of this attempt: what is recorded under another one is refused.
    pub(crate) number: i64,
    /// Failures before it.
    pub(crate) failures: u32,
    pub(crate) message_id: Option<String>,
}

/// An attempt that is over.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) delivery: Leased,
    pub(crate) attempt: Attempt,
    pub(crate) next: Next,
    pub(crate) started: Timestamp,
    pub(crate) took: Duration,
    /// An endpoint that has failed since before this is disabled.
    pub(crate) failing_limit: Timestamp,
}

impl Leased {
    /// `None` for a row that this version cannot read: it stays where it is.
    fn read(row: DeliveryRow) -> Option<Self> {
        let (id, channel) = (DeliveryId::parse(&row.id).ok(), row.channel.parse().ok());
        let (Some(id), Some(channel)) = (id, channel) else {
            tracing::error!(delivery.id = row.id, "a delivery cannot be read");
            return None;
        };
        Some(Self {
            id,
            event_id: row.event_id,
            session: row.session,
            seq: row.seq,
            kind: row.kind,
            at: Timestamp::from_millis(row.at),
            trace: row.traceparent.as_deref().and_then(TraceContext::parse),
            channel,
            number: row.attempts,
            failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
            message_id: row.message_id,
        })
    }
}

macro_rules! lease {
    ($lock:literal) => {
        concat!(
            "UPDATE delivery SET state = 'sending', due_at = $1, attempts = attempts + 1 WHERE id IN (SELECT id \
             FROM delivery WHERE destination = $2 AND due_at <= $3 AND done_at IS NULL ORDER BY due_at, id LIMIT $4",
            $lock,
            ") RETURNING ",
            delivery_columns!()
        )
    };
}

impl Store {
    /// When the first open delivery of each destination is due; destinations that nobody sends to are left out.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn due(&self) -> Result<Vec<(Destination, Timestamp)>, DbError> {
        const DUE: &str = "SELECT place.id, (SELECT MIN(due_at) FROM delivery \
            WHERE destination = place.id AND done_at IS NULL) \
            FROM (SELECT 'smtp' AS id UNION ALL SELECT id FROM endpoint WHERE enabled = 1) AS place";
        let rows: Vec<(String, Option<i64>)> = self.db.fetch_all(sql(DUE)).await?;
        let read = |(id, due): (String, Option<i64>)| Some((id.parse().ok()?, Timestamp::from_millis(due?)));
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Takes up to `limit` due deliveries of one destination that nobody has, for `lease`.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn lease(
        &self,
        destination: Destination,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Leased>, DbError> {
        let text = match self.db.engine() {
            // Several processes at once pass each other's rows by.
            Engine::Postgres => lease!(" FOR UPDATE SKIP LOCKED"),
            Engine::Sqlite => lease!(""),
        };
        let now = self.now();
        let statement = sql(text)
            .bind(now.plus(lease).millis())
            .bind(destination.to_string())
            .bind(now.millis())
            .bind(limit);
        let rows: Vec<DeliveryRow> =
            self.db.transaction(move |tx| Box::pin(async move { tx.fetch_all(statement).await })).await?;
        Ok(rows.into_iter().filter_map(Leased::read).collect())
    }

    /// Records an attempt and what follows from it. Repeatable. Answers the endpoint that was disabled because of it.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn record(&self, finished: Finished) -> Result<Option<WebhookId>, DbError> {
        let now = self.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    settle(tx, &finished, now).await?;
                    note(tx, &finished).await?;
                    match finished.delivery.channel {
                        Channel::Webhook(id) => {
                            let disabled = judge_endpoint(tx, id, &finished, now).await?;
                            Ok(disabled.then_some(id))
                        }
                        Channel::MailTeam | Channel::MailCustomer => Ok(None),
                    }
                })
            })
            .await
    }
}

/// Moves the delivery on, unless somebody else has it by now.
async fn settle(tx: &mut Tx, finished: &Finished, now: Timestamp) -> Result<(), DbError> {
    const SETTLE: &str = "UPDATE delivery SET state = $3, due_at = $4, failures = $5, last_error = $6, done_at = $7 \
        WHERE id = $1 AND attempts = $2 AND state = 'sending'";
    let delivery = &finished.delivery;
    let (state, due, done) = match finished.next {
        Next::Done => ("done", now, Some(now)),
        Next::Cancelled => ("cancelled", now, Some(now)),
        Next::Again(pause) => ("queued", now.plus(pause), None),
        Next::Dead => ("dead", now, Some(now)),
    };
    let failures = match finished.attempt.outcome {
        Outcome::Failed { .. } | Outcome::Refused { .. } => i64::from(delivery.failures) + 1,
        Outcome::Delivered | Outcome::Dropped => i64::from(delivery.failures),
    };
    let statement = sql(SETTLE)
        .bind(delivery.id.to_string())
        .bind(delivery.number)
        .bind(state)
        .bind(due.millis())
        .bind(failures)
        .bind(finished.attempt.error.as_deref())
        .bind(done.map(Timestamp::millis));
    tx.execute(statement).await.map(drop)
}

/// Writes the attempt into the log.
async fn note(tx: &mut Tx, finished: &Finished) -> Result<(), DbError> {
    const NOTE: &str = "INSERT INTO delivery_attempt (delivery, number, at, outcome, duration_ms, code, error) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (delivery, number) DO NOTHING";
    let statement = sql(NOTE)
        .bind(finished.delivery.id.to_string())
        .bind(finished.delivery.number)
        .bind(finished.started.millis())
        .bind(finished.attempt.outcome.as_str())
        .bind(i64::try_from(finished.took.as_millis()).unwrap_or(i64::MAX))
        .bind(finished.attempt.code.map(i64::from))
        .bind(finished.attempt.error.as_deref());
    tx.execute(statement).await.map(drop)
}

/// Notes since when an endpoint fails; says whether it was disabled for that.
async fn judge_endpoint(
    tx: &mut Tx,
    id: WebhookId,
    finished: &Finished,
    now: Timestamp,
) -> Result<bool, DbError> {
    const WELL: &str = "UPDATE endpoint SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
    const FAILS: &str = "UPDATE endpoint SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL";
    const DISABLE: &str = "UPDATE endpoint SET enabled = 0, disabled_reason = 'failing', updated_at = $2 \
        WHERE id = $1 AND enabled = 1 AND failing_since <= $3";
    let id = id.to_string();
    match finished.attempt.outcome {
        Outcome::Delivered => {
            tx.execute(sql(WELL).bind(&id)).await?;
            return Ok(false);
        }
        Outcome::Failed { .. } | Outcome::Refused { .. } => {}
        Outcome::Dropped => return Ok(false),
    }
    tx.execute(sql(FAILS).bind(&id).bind(now.millis())).await?;
    let limit = finished.failing_limit.millis();
    if tx.execute(sql(DISABLE).bind(&id).bind(now.millis()).bind(limit)).await? == 0 {
        return Ok(false);
    }
    give_up(tx, &id, "dead", now).await?;
    audit::append(tx, by_itself(&id, now)).await?;
    Ok(true)
}

/// What is written down when nobody decided it.
fn by_itself(endpoint: &str, now: Timestamp) -> NewRecord {
    NewRecord {
        at: now.millis(),
        actor: Principal::Service(NAME).to_string(),
        action: "endpoint.disable".to_owned(),
        object: endpoint.to_owned(),
        detail: json!({ "reason": "failing" }).to_string(),
        ..NewRecord::default()
    }
}

/// Ends everything that waits for an endpoint.
pub(super) async fn give_up(
    tx: &mut Tx,
    destination: &str,
    state: &'static str,
    now: Timestamp,
) -> Result<u64, DbError> {
    const GIVE_UP: &str = "UPDATE delivery SET state = $2, done_at = $3, last_error = $4 \
        WHERE destination = $1 AND done_at IS NULL";
    tx.execute(sql(GIVE_UP).bind(destination).bind(state).bind(now.millis()).bind(DISABLED)).await
}
