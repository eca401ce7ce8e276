//! Deliveries as staff sees and moves them.

use super::{AttemptRow, DeliveryRow, Store, rows::delivery_columns};
use crate::{
    NotifierError,
    channel::{Channel, TEST_KIND},
};
use serde_json::json;
use switchboard_db::{
    DbError, Tx,
    audit::{self, NewRecord},
    sql,
};
use switchboard_domain::{DeliveryId, EventId, WebhookId};

/// Which deliveries; what is empty is not looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryFilter {
    pub(crate) state: String,
    pub(crate) channel: String,
    pub(crate) session: String,
}

const GET: &str = concat!("SELECT ", delivery_columns!(), " FROM delivery WHERE id = $1");

impl Store {
    /// A page of deliveries, newest first, those after `before` in this order.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: &str,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, DbError> {
        const LIST: &str = concat!(
            "SELECT ",
            delivery_columns!(),
            " FROM delivery WHERE ($1 = '' OR state = $1) AND ($2 = '' OR channel = $2) \
             AND ($3 = '' OR session = $3) AND ($4 = '' OR id < $4) ORDER BY id DESC LIMIT $5"
        );
        let statement = sql(LIST)
            .bind(filter.state.as_str())
            .bind(filter.channel.as_str())
            .bind(filter.session.as_str())
            .bind(before)
            .bind(limit);
        self.db.fetch_all(statement).await
    }

    /// One delivery with its attempts.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn delivery(
        &self,
        id: DeliveryId,
    ) -> Result<Option<(DeliveryRow, Vec<AttemptRow>)>, DbError> {
        const ATTEMPTS: &str = "SELECT number, at, outcome, duration_ms, code, error FROM delivery_attempt \
            WHERE delivery = $1 ORDER BY number";
        let Some(row) = self.db.fetch_optional(sql(GET).bind(id.to_string())).await? else { return Ok(None) };
        Ok(Some((row, self.db.fetch_all(sql(ATTEMPTS).bind(id.to_string())).await?)))
    }

    /// Puts up to `limit` dead deliveries back into the queue, oldest first; answers how many.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn redrive(
        &self,
        id: Option<DeliveryId>,
        filter: DeliveryFilter,
        limit: u32,
        mut act: NewRecord,
    ) -> Result<u64, DbError> {
        // One of an endpoint that nobody calls would wait for ever.
        const REDRIVE: &str = "UPDATE delivery SET state = 'queued', failures = 0, due_at = $6, done_at = NULL \
            WHERE id IN (SELECT id FROM delivery WHERE state = 'dead' AND ($1 = '' OR id = $1) \
            AND ($2 = '' OR channel = $2) AND ($3 = '' OR session = $3) AND (destination = $4 OR destination IN \
            (SELECT id FROM endpoint WHERE enabled = 1)) ORDER BY id LIMIT $5)";
        let smtp = if self.mail.is_some() { "smtp" } else { "" };
        let statement = sql(REDRIVE)
            .bind(id.map(|id| id.to_string()).unwrap_or_default())
            .bind(filter.channel)
            .bind(filter.session)
            .bind(smtp)
            .bind(limit)
            .bind(self.now().millis());
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let redriven = tx.execute(statement).await?;
                    act.detail = json!({ "redriven": redriven }).to_string();
                    audit::append(tx, act).await?;
                    Ok(redriven)
                })
            })
            .await
    }

    /// Gives a delivery up that is not done.
    ///
    /// # Errors
    /// [`NotifierError::UnknownDelivery`], [`NotifierError::DeliveryDone`], any [`DbError`] of a transaction.
    pub(crate) async fn cancel(&self, id: DeliveryId, act: NewRecord) -> Result<DeliveryRow, NotifierError> {
        const CANCEL: &str = "UPDATE delivery SET state = 'cancelled', done_at = $2 \
            WHERE id = $1 AND state IN ('queued', 'sending', 'dead')";
        let now = self.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let changed = tx.execute(sql(CANCEL).bind(id.to_string()).bind(now.millis())).await?;
                    let row: Option<DeliveryRow> = tx.fetch_optional(sql(GET).bind(id.to_string())).await?;
                    let row = row.ok_or(NotifierError::UnknownDelivery)?;
                    if row.state == "done" {
                        return Err(NotifierError::DeliveryDone);
                    }
                    if changed > 0 {
                        audit::append(tx, act).await?;
                    }
                    Ok(row)
                })
            })
            .await
    }

    /// Makes a delivery that tells of nothing but that it arrived.
    ///
    /// # Errors
    /// [`NotifierError::EndpointDisabled`] and [`NotifierError::UnknownEndpoint`] for an endpoint that nobody calls, any
    /// [`DbError`] of a transaction.
    pub(crate) async fn test(&self, channel: Channel, act: NewRecord) -> Result<DeliveryId, NotifierError> {
        const ADD: &str = "INSERT INTO delivery (id, event_id, session, seq, kind, at, channel, destination, state, \
            attempts, failures, due_at, message_id, created_at) \
            VALUES ($1, $2, '', 0, $3, $4, $5, $6, 'queued', 0, 0, $4, $7, $4)";
        let id = self.mint();
        let statement = sql(ADD)
            .bind(id.to_string())
            .bind(EventId::mint(&*self.clock, &*self.rng).to_string())
            .bind(TEST_KIND)
            .bind(self.now().millis())
            .bind(channel.to_string())
            .bind(channel.destination().to_string())
            .bind(self.message_id(id, channel));
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    if let Channel::Webhook(endpoint) = channel
                        && !is_enabled(tx, endpoint).await?
                    {
                        return Err(NotifierError::EndpointDisabled);
                    }
                    tx.execute(statement).await?;
                    audit::append(tx, act).await?;
                    Ok(id)
                })
            })
            .await
    }
}

async fn is_enabled(tx: &mut Tx, endpoint: WebhookId) -> Result<bool, NotifierError> {
    const ENABLED: &str = "SELECT enabled FROM endpoint WHERE id = $1";
    let found: Option<(i64,)> = tx.fetch_optional(sql(ENABLED).bind(endpoint.to_string())).await?;
    found.map(|(enabled,)| enabled == 1).ok_or(NotifierError::UnknownEndpoint)
}
