//! Table `inbox`, and how an event becomes deliveries.

mod cleanup;
mod deliveries;
mod endpoints;
mod queue;
mod rows;

pub(crate) use deliveries::DeliveryFilter;
pub(crate) use endpoints::{Draft, Edit, Target};
pub(crate) use queue::{Finished, Leased};
pub(crate) use rows::{AttemptRow, DeliveryRow, EndpointRow, EndpointView, SecretRow};

use crate::{
    channel::{AFTER_HOURS_KIND, Channel},
    event::{Event, InboxRow},
    kinds::Kinds,
};
use std::{fmt, sync::Arc};
use switchboard_db::{Db, DbError, Statement, Tx, sql};
use switchboard_domain::{Clock, DeliveryId, Rng, Timestamp, WebhookId};

/// Which mails are made for a request out of hours.
#[derive(Debug, Clone)]
pub(crate) struct MailPlan {
    /// What comes after the @ of message ids.
    pub(crate) host: String,
    /// Whether the customer gets a confirmation.
    pub(crate) confirm: bool,
}

/// Reads and writes the notifier's tables.
#[derive(Clone)]
pub(crate) struct Store {
    db: Db,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// None: mail is not configured.
    mail: Option<MailPlan>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("db", &self.db).field("mail", &self.mail).finish_non_exhaustive()
    }
}

impl Store {
    /// Over an open, migrated database.
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, mail: Option<MailPlan>) -> Self {
        Self { db, clock, rng, mail }
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Stores `events` and what is to be sent because of them in one transaction; answers those that were not there yet.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction; after [`DbError::UnknownOutcome`] the same call may be repeated.
    pub(crate) async fn keep(&self, mut events: Vec<Event>) -> Result<Vec<Event>, DbError> {
        const KEEP: &str = "INSERT INTO inbox (event_id, session, seq, kind, at, received_at, traceparent)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_id) DO NOTHING";
        // In one order everywhere, or two readers with the same events could wait for each other.
        events.sort_by_key(|event| event.id);
        let store = self.clone();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let now = store.now();
                    let endpoints = store.wanting(tx).await?;
                    let mut new = Vec::with_capacity(events.len());
                    for event in events {
                        let statement = sql(KEEP)
                            .bind(event.id.to_string())
                            .bind(event.session.as_str())
                            .bind(event.seq)
                            .bind(event.kind.as_str())
                            .bind(event.at.millis())
                            .bind(now.millis())
                            .bind(event.trace.map(|trace| trace.to_string()));
                        if tx.execute(statement).await? == 1 {
                            for channel in store.channels(&event, &endpoints) {
                                tx.execute(store.add(&event, channel, now)).await?;
                            }
                            new.push(event);
                        }
                    }
                    Ok(new)
                })
            })
            .await
    }

    /// The enabled endpoints with what they want.
    async fn wanting(&self, tx: &mut Tx) -> Result<Vec<(WebhookId, Kinds)>, DbError> {
        const ENABLED: &str = "SELECT id, kinds FROM endpoint WHERE enabled = 1 ORDER BY id";
        let rows: Vec<(String, String)> = tx.fetch_all(sql(ENABLED)).await?;
        Ok(rows
            .iter()
            .filter_map(|(id, kinds)| Some((WebhookId::parse(id).ok()?, rows::kinds(kinds))))
            .collect())
    }

    /// By which ways an event goes out.
    fn channels(&self, event: &Event, endpoints: &[(WebhookId, Kinds)]) -> Vec<Channel> {
        let mut channels = Vec::new();
        if let Some(mail) = self.mail.as_ref().filter(|_| event.kind == AFTER_HOURS_KIND) {
            channels.push(Channel::MailTeam);
            channels.extend(mail.confirm.then_some(Channel::MailCustomer));
        }
        let wanting = endpoints.iter().filter(|(_, kinds)| kinds.want(&event.kind));
        channels.extend(wanting.map(|(id, _)| Channel::Webhook(*id)));
        channels
    }

    /// Makes a delivery of an event; the same event goes out by the same way once.
    fn add(&self, event: &Event, channel: Channel, now: Timestamp) -> Statement {
        const ADD: &str = "INSERT INTO delivery (id, event_id, session, seq, kind, at, traceparent, channel, \
            destination, state, attempts, failures, due_at, message_id, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', 0, 0, $10, $11, $10) \
            ON CONFLICT (event_id, channel) DO NOTHING";
        let id = self.mint();
        sql(ADD)
            .bind(id.to_string())
            .bind(event.id.to_string())
            .bind(event.session.as_str())
            .bind(event.seq)
            .bind(event.kind.as_str())
            .bind(event.at.millis())
            .bind(event.trace.map(|trace| trace.to_string()))
            .bind(channel.to_string())
            .bind(channel.destination().to_string())
            .bind(now.millis())
            .bind(self.message_id(id, channel))
    }

    /// What every attempt of a mail is known by.
    fn message_id(&self, id: DeliveryId, channel: Channel) -> Option<String> {
        match channel {
            Channel::MailTeam | Channel::MailCustomer => {
                self.mail.as_ref().map(|mail| format!("<{id}@{}>", mail.host))
            }
            Channel::Webhook(_) => None,
        }
    }

    fn mint(&self) -> DeliveryId {
        DeliveryId::mint(&*self.clock, &*self.rng)
    }

    /// The `limit` events that were stored last, newest first.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn newest(&self, limit: u32) -> Result<Vec<InboxRow>, DbError> {
        const NEWEST: &str = "SELECT event_id, session, seq, kind, at, received_at FROM inbox
            ORDER BY received_at DESC, event_id DESC LIMIT $1";
        self.db.fetch_all(sql(NEWEST).bind(limit)).await
    }

    /// How many events there are.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn count(&self) -> Result<i64, DbError> {
        const COUNT: &str = "SELECT COUNT(*) FROM inbox";
        self.db.fetch_one::<(i64,)>(sql(COUNT)).await.map(|(count,)| count)
    }
}
