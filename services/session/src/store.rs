//! The session store: every write is one transaction that keeps the log, the session row, turns and the outbox in step.

mod archive;
pub(crate) mod assignment;
pub(crate) mod assists;
mod clean_up;
mod commands;
pub(crate) mod customers;
pub(crate) mod desk;
pub(crate) mod feed;
pub(crate) mod find;
pub(crate) mod notes;
pub(crate) mod offers;
mod outbox;
mod passing;
#[cfg(test)]
mod plans;
mod presence;
pub(crate) mod queue;
mod read;
pub(crate) mod receipts;
pub(crate) mod replies;
pub(crate) mod roster;
pub(crate) mod rows;
mod say;
pub(crate) mod stats;
pub(crate) mod summaries;
pub(crate) mod tags;
pub(crate) mod tally;
mod turns;
pub(crate) mod unit;

pub(crate) use commands::Repeatable;
pub(crate) use outbox::OutboxRow as OutboxEvent;
pub(crate) use read::{Cursor, Page};
pub(crate) use say::{Next, Said, Utterance};
pub(crate) use turns::{Begun, Finish, Held};
pub(crate) use unit::Committed;

use crate::{config::Settings, error::SessionError, hours::WorkingHours, hub::Hub};
use std::sync::Arc;
use switchboard_coord::Bus;
use switchboard_db::{Db, audit::NewRecord, sql};
use switchboard_domain::{Clock, Principal, Rng, SessionName, routing::Book, session::LogEpoch};
use switchboard_mesh::CallContext;

/// The tables of the session service.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) hours: WorkingHours,
    /// What is listened for in customers' words.
    pub(crate) book: Arc<Book>,
    pub(crate) epoch: LogEpoch,
}

impl Store {
    /// Opens the store on a migrated database. A new database gets an epoch that no other one has had.
    pub(crate) async fn open(
        db: Db,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        settings: Settings,
        hours: WorkingHours,
        bus: Bus,
    ) -> Result<Self, SessionError> {
        let now = clock.now().seconds();
        let epoch = db
            .transaction(move |tx| {
                Box::pin(async move {
                    const MAKE: &str =
                        "INSERT INTO log_epoch (id, epoch) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
                    tx.execute(sql(MAKE).bind(now)).await?;
                    let (epoch,): (i64,) =
                        tx.fetch_one(sql("SELECT epoch FROM log_epoch WHERE id = 1")).await?;
                    Ok::<_, SessionError>(epoch)
                })
            })
            .await?;
        let hub = Hub::new(settings.live_tail, settings.typing_interval, bus);
        let book = Arc::new(settings.book());
        Ok(Self {
            db,
            clock,
            rng,
            hub,
            settings: Arc::new(settings),
            hours,
            book,
            epoch: LogEpoch::new(epoch),
        })
    }

    /// A record of what the running call does, without digests.
    pub(crate) fn record(&self, action: &str, object: &str) -> NewRecord {
        switchboard_boot::audit::record(&*self.clock, action, object, None, None, &serde_json::json!({}))
    }

    /// Tells listeners of what was committed.
    pub(crate) fn announce(&self, committed: &Committed) {
        self.hub.publish(&committed.session.name, &committed.entries);
        if committed.effects {
            self.hub.outbox_filled();
        }
        self.hub.told(&committed.told);
        if committed.offers {
            self.hub.offers_changed();
        }
        if committed.floor || committed.offers {
            self.hub.floor_changed();
        }
    }
}

/// Of many sessions that are looked after, one that fails costs itself: the next one is tried, and it again another time.
pub(crate) fn or_next<T: Default>(outcome: Result<T, SessionError>, session: &str, what: &'static str) -> T {
    outcome.unwrap_or_else(|error| {
        tracing::warn!(session, error = switchboard_mesh::reply::chain(&error), "{what}");
        T::default()
    })
}

/// Whether somebody may see or change a session: its visitor, people of the shop, parts of the mesh.
pub(crate) fn authorize(principal: &Principal, name: &SessionName) -> Result<(), SessionError> {
    match principal {
        Principal::Visitor(own) if own != name => Err(SessionError::NotYours),
        Principal::Visitor(_) | Principal::Agent { .. } | Principal::Service(_) => Ok(()),
        Principal::Anonymous => Err(SessionError::TokenRequired),
    }
}

/// The trace that an outbox event continues.
fn traceparent() -> String {
    CallContext::current().map(|context| context.trace.to_string()).unwrap_or_default()
}
