//! The session store: every write is one transaction that keeps the log, the session row, turns and the outbox in step.

mod commands;
mod outbox;
mod read;
pub(crate) mod rows;
mod say;
mod turns;
pub(crate) mod unit;

pub(crate) use commands::Repeatable;
pub(crate) use outbox::OutboxRow as OutboxEvent;
pub(crate) use read::{Cursor, Page};
pub(crate) use say::{Next, Said, Utterance};
pub(crate) use turns::{Begun, Finish, Held};
pub(crate) use unit::Committed;

use crate::{config::Settings, error::SessionError, hub::Hub};
use std::sync::Arc;
use switchboard_db::{Db, sql};
use switchboard_domain::{Clock, Principal, Rng, SessionName, session::LogEpoch};
use switchboard_mesh::CallContext;

/// The tables of the session service.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) epoch: LogEpoch,
}

impl Store {
    /// Opens the store on a migrated database. A new database gets an epoch that no other one has had.
    pub(crate) async fn open(
        db: Db,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        settings: Settings,
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
        let hub = Hub::new(settings.live_tail);
        Ok(Self { db, clock, rng, hub, settings: Arc::new(settings), epoch: LogEpoch::new(epoch) })
    }

    /// Tells listeners of what was committed.
    fn announce(&self, committed: &Committed) {
        self.hub.publish(&committed.session.name, &committed.entries);
        if committed.effects {
            self.hub.outbox_filled();
        }
    }
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
