//! The keeper of the hours: when a queue opens, the requests that came before are due; when it shuts, those who still
//! wait are told when it opens.
//!
//! After the closing time customers go on waiting while an agent is there or one has been asked: he may still take them.
//! When the last one has left, the rest becomes mail. Several replicas may do this at once: each session changes under
//! its lock, once.

use super::Published;
use crate::{
    error::SessionError,
    store::{Committed, Store, or_next, unit::Unit},
};
use std::time::Duration;
use switchboard_boot::Lifecycle;
use switchboard_db::sql;
use switchboard_domain::{
    SessionName, Timestamp,
    session::{Event, Shop, apply},
};

/// Keeps the hours until the soft stop.
pub(crate) async fn keep(store: Store, tasks: Lifecycle) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    loop {
        let published = store.hours.0.changed.notified();
        tokio::pin!(published);
        // From here on a publication wakes us.
        published.as_mut().enable();
        let nap = look(&store).await.unwrap_or_else(|error| {
            tracing::warn!(error = switchboard_mesh::reply::chain(&error), "the hours cannot be kept");
            store.hours.0.check_interval
        });
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = published => {}
            () = &mut stopping => return,
        }
    }
}

/// Looks after every queue once; gives the time until the next look.
async fn look(store: &Store) -> Result<Duration, SessionError> {
    let published = store.hours.current().await?;
    let now = store.clock.now();
    let mut told = (0, 0);
    for queue in store.queues_to_keep().await? {
        if published.hours.calendar(&queue).is_open(now) {
            told.0 += store.begin_hours(&queue).await?;
        } else if !store.is_anybody_there().await? {
            told.1 += store.end_hours(&queue, &published, now).await?;
        }
    }
    if told != (0, 0) {
        tracing::info!(due = told.0, mailed = told.1, "working hours began or ended for waiting customers");
    }
    let interval = store.hours.0.check_interval;
    let change = published.hours.next_change(store.clock.now());
    Ok(change.map_or(interval, |change| change.since(store.clock.now()).min(interval)))
}

impl Store {
    /// The queues in which somebody waits, for an agent or for the shop to open.
    async fn queues_to_keep(&self) -> Result<Vec<String>, SessionError> {
        const QUEUES: &str = "SELECT queue FROM session WHERE status = 'after_hours_email' AND followed_up < fence \
                              UNION SELECT queue FROM session WHERE due_at IS NOT NULL AND status = 'pending_manual'";
        let rows: Vec<(String,)> = self.db.fetch_all(sql(QUEUES)).await?;
        Ok(rows.into_iter().map(|(queue,)| queue).collect())
    }

    /// Makes the requests that came out of hours due, each once.
    async fn begin_hours(&self, queue: &str) -> Result<u64, SessionError> {
        const WAITING: &str = "SELECT name FROM session WHERE status = 'after_hours_email' AND followed_up < fence \
                               AND queue = $1 ORDER BY due_at, name LIMIT $2";
        let mut total = 0;
        loop {
            let (names, before) = (self.batch(WAITING, queue).await?, total);
            for name in &names {
                let due = self.follow_up(name.clone()).await;
                total += u64::from(or_next(due, name.as_str(), "a request cannot become due"));
            }
            if self.is_last(&names) || total == before {
                return Ok(total);
            }
        }
    }

    /// Turns those who wait into mail.
    async fn end_hours(
        &self,
        queue: &str,
        published: &Published,
        now: Timestamp,
    ) -> Result<u64, SessionError> {
        const WAITING: &str = "SELECT name FROM session WHERE status = 'pending_manual' AND due_at IS NOT NULL \
                               AND queue = $1 AND NOT EXISTS (SELECT 1 FROM offer WHERE offer.session = session.name \
                               AND offer.state = 'open') ORDER BY due_at, name LIMIT $2";
        let mut total = 0;
        loop {
            let (names, before) = (self.batch(WAITING, queue).await?, total);
            for name in &names {
                let mailed = self.mail(name.clone(), published, now).await;
                total += u64::from(or_next(mailed, name.as_str(), "a request cannot become mail"));
            }
            if self.is_last(&names) || total == before {
                return Ok(total);
            }
        }
    }

    async fn batch(&self, text: &'static str, queue: &str) -> Result<Vec<SessionName>, SessionError> {
        let batch = i64::from(self.hours.0.batch);
        let rows: Vec<(String,)> = self.db.fetch_all(sql(text).bind(queue).bind(batch)).await?;
        rows.into_iter().map(|(name,)| Ok(SessionName::parse(&name)?)).collect()
    }

    fn is_last(&self, names: &[SessionName]) -> bool {
        names.len() < self.hours.0.batch as usize
    }

    async fn follow_up(&self, name: SessionName) -> Result<bool, SessionError> {
        const TOLD: &str = "UPDATE session SET followed_up = fence WHERE name = $1 AND followed_up < fence \
                            AND status = 'after_hours_email'";
        let store = self.clone();
        let committed = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, String::new()).await?;
                    if unit.tx.execute(sql(TOLD).bind(name.as_str())).await? != 1 {
                        return Ok(None);
                    }
                    let step = apply(&unit.session, Event::HoursBegan, unit.now)?;
                    unit.take(step).await?;
                    Ok::<_, SessionError>(Some(unit.save().await?))
                })
            })
            .await?;
        Ok(self.told(committed))
    }

    async fn mail(
        &self,
        name: SessionName,
        published: &Published,
        now: Timestamp,
    ) -> Result<bool, SessionError> {
        let session = self.session(&name).await?;
        let shop = published.shop(&session.desk.queue, now, session.language());
        let Shop::Shut { opens, promise } = shop else { return Ok(false) };
        let store = self.clone();
        let committed = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, String::new()).await?;
                    // An agent, the customer or another replica was faster.
                    let Ok(step) = apply(&unit.session, Event::HoursEnded { opens, promise }, unit.now)
                    else {
                        return Ok(None);
                    };
                    unit.take(step).await?;
                    Ok::<_, SessionError>(Some(unit.save().await?))
                })
            })
            .await?;
        Ok(self.told(committed))
    }

    fn told(&self, committed: Option<Committed>) -> bool {
        committed.inspect(|committed| self.announce(committed)).is_some()
    }
}
