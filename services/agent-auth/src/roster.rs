//! Tells the session service who works here and who is there.
//!
//! Every change of what the roster says moves the version of its line in `roster_out`, in the transaction of the change.
//! Lines whose version was not taken yet are told, at least once, the latest state only; older versions change nothing at
//! the other side, so that replicas may tell at the same time. The whole roster is told at start and every
//! `agent_auth.roster.refresh`; between, every `agent_auth.roster.look` says at least that nothing is new. While the session service is away, lines wait here and nothing else does.

mod store;

use crate::{AgentAuthError, NAME, changes::Changes, config::RosterSettings};
use std::sync::Arc;
use switchboard_boot::Lifecycle;
use switchboard_db::{Db, DbError, Tx, sql};
use switchboard_domain::{Clock, Rng, Timestamp, backoff};
use switchboard_mesh::{CallContext, Channel, reply::chain};
use switchboard_proto::session::v1::{PutRosterRequest, floor_service_client::FloorServiceClient};
use tokio::time::Instant;

/// Moves the version of somebody's line: something that the roster says of him changes in this transaction, which holds
/// his row.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn bump(tx: &mut Tx, id: &str, now: Timestamp) -> Result<(), DbError> {
    const BUMP: &str = "INSERT INTO roster_out (agent, version, sent_version) VALUES ($1, $2, 0)
        ON CONFLICT (agent) DO UPDATE SET version = CASE
            WHEN roster_out.version >= excluded.version THEN roster_out.version + 1 ELSE excluded.version END";
    tx.execute(sql(BUMP).bind(id).bind(now.millis())).await.map(drop)
}

/// Tells lines until the soft stop.
pub(crate) struct Roster {
    pub(crate) db: Db,
    pub(crate) session: FloorServiceClient<Channel>,
    pub(crate) settings: RosterSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) changes: Changes,
    pub(crate) life: Lifecycle,
}

impl Roster {
    /// See the module. A failure is told once when it begins and once when it is over.
    pub(crate) async fn run(mut self) {
        let mut failures = 0_u32;
        let mut whole_at = Instant::now();
        while !self.life.is_stopping() {
            let context = CallContext::background(NAME, &*self.clock, &*self.rng);
            match context.scope(self.round(&mut whole_at)).await {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(failures, "the session service takes the roster again");
                    }
                    failures = 0;
                    self.wait(whole_at).await;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    metrics::counter!("switchboard_agent_auth_roster_failures_total").increment(1);
                    if failures == 1 {
                        tracing::warn!(error = chain(&error), "the roster cannot be told, trying again");
                    } else {
                        tracing::debug!(failures, error = chain(&error), "the roster still cannot be told");
                    }
                    self.pause(failures).await;
                }
            }
        }
    }

    /// Tells the whole roster when it is time for that, and everything that has changed. The soft stop ends it between
    /// two calls: what was not told is told after the next start.
    async fn round(&mut self, whole_at: &mut Instant) -> Result<(), AgentAuthError> {
        let mut told = false;
        if Instant::now() >= *whole_at {
            self.tell_all().await?;
            *whole_at = Instant::now() + self.settings.refresh;
        }
        while !self.life.is_stopping() {
            let lines = store::open(&self.db, self.settings.batch).await?;
            if lines.is_empty() {
                return if told { Ok(()) } else { self.beat().await };
            }
            self.tell(lines).await?;
            told = true;
        }
        Ok(())
    }

    /// Tells that there is nothing new: who is silent could not tell that somebody has come.
    async fn beat(&mut self) -> Result<(), AgentAuthError> {
        let beat = self.session.put_roster(PutRosterRequest::default()).await;
        beat.map(drop).map_err(|status| AgentAuthError::Peer(Box::new(status)))
    }

    async fn tell_all(&mut self) -> Result<(), AgentAuthError> {
        store::complete(&self.db, self.clock.now()).await?;
        let mut after = String::new();
        while !self.life.is_stopping() {
            let lines = store::page(&self.db, &after, self.settings.batch).await?;
            let Some(last) = lines.last() else { return Ok(()) };
            after.clone_from(&last.id);
            self.tell(lines).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, lines: Vec<store::Line>) -> Result<(), AgentAuthError> {
        // Read after the lines: a role is at least as new as the version that it is told with.
        let roles = crate::roles::all(&self.db).await?;
        let told: Vec<(String, i64)> = lines.iter().map(|line| (line.id.clone(), line.version)).collect();
        let lines = lines.into_iter().map(|line| line.told(&roles)).collect();
        self.session
            .put_roster(PutRosterRequest { lines })
            .await
            .map_err(|status| AgentAuthError::Peer(Box::new(status)))?;
        metrics::counter!("switchboard_agent_auth_roster_lines_total").increment(told.len() as u64);
        Ok(store::taken(&self.db, told).await?)
    }

    /// Waits for a change, or until it is time to look for those of others.
    async fn wait(&self, whole_at: Instant) {
        tokio::select! {
            () = self.changes.of_roster() => {}
            () = tokio::time::sleep(self.settings.look) => {}
            () = tokio::time::sleep_until(whole_at) => {}
            () = self.life.stopping() => {}
        }
    }

    /// Waits as long as so many failures in a row ask for, or until the soft stop.
    async fn pause(&self, failures: u32) {
        let RosterSettings { retry_min, retry_max, .. } = self.settings;
        let pause = backoff(failures, retry_min, retry_max, &*self.rng);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.life.stopping() => {}
        }
    }
}
