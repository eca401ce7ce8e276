//! What no longer counts although it has not expired: logins that ended, accounts whose rights changed, API keys that were
//! withdrawn. Read from agent-auth every few seconds and kept in memory for as long as it can matter.

use super::Agent;
use crate::{
    config::{Agents, Settings},
    state::Peers,
};
use parking_lot::RwLock;
use std::{collections::HashMap, sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_coord::{Hint, Subscription};
use switchboard_domain::{AgentId, ApiKeyId, Clock, LoginId, Principal, Rng, ServiceName, Timestamp};
use switchboard_mesh::{CallContext, reply::chain};
use switchboard_proto::{
    agentauth::v1::{
        ListRevocationsRequest, ListRevocationsResponse,
        list_revocations_response::{Revocation, revocation::What},
    },
    convert::WireError,
};
use tokio::{sync::watch, time::Instant};

/// The shortest time between two attempts to read the first list.
const FIRST_GAP: Duration = Duration::from_millis(100);

/// The list, as last read.
#[derive(Debug)]
pub(crate) struct Revocations {
    peers: Peers,
    settings: Agents,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    list: RwLock<List>,
    /// When a reading was last tried; held while one runs, so that there is one at a time.
    attempt: tokio::sync::Mutex<Option<Instant>>,
    changed: watch::Sender<()>,
    /// Until when the first list is waited for.
    first_until: Instant,
}

#[derive(Debug, Default)]
struct List {
    cursor: i64,
    read: Option<Instant>,
    /// With the time from which on each can be forgotten.
    logins: HashMap<LoginId, Timestamp>,
    keys: HashMap<ApiKeyId, Timestamp>,
    agents: HashMap<AgentId, Before>,
}

/// What was issued to an account before `at` no longer counts.
#[derive(Debug, Clone, Copy)]
struct Before {
    at: Timestamp,
    until: Timestamp,
}

impl Revocations {
    /// An empty list that is not known to be right.
    pub(crate) fn new(settings: &Settings, peers: Peers, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self {
            peers,
            settings: settings.agent.clone(),
            clock,
            rng,
            list: RwLock::default(),
            attempt: tokio::sync::Mutex::new(None),
            changed: watch::Sender::new(()),
            first_until: Instant::now() + settings.agent.revocation_first_wait,
        }
    }

    /// Whether the list is young enough to let agents write.
    pub(crate) fn are_known(&self) -> bool {
        self.list.read().read.is_some_and(|read| read.elapsed() <= self.settings.revocation_max_age)
    }

    /// Reads the list if it is too old to be relied on: at the first request, or when the follower cannot. Shortly after
    /// the start, when agent-auth may be starting too, waits for the first list.
    pub(super) async fn look(&self) {
        if !self.are_known() {
            self.read().await;
            self.await_first().await;
        }
    }

    /// Tries again and again until there is a first list or the time for that is over.
    async fn await_first(&self) {
        while !self.was_read() && Instant::now() < self.first_until {
            let again = (Instant::now() + self.gap()).min(self.first_until);
            tokio::time::sleep_until(again).await;
            self.read().await;
        }
    }

    fn was_read(&self) -> bool {
        self.list.read().read.is_some()
    }

    /// The shortest time between two attempts.
    fn gap(&self) -> Duration {
        let gap = self.settings.revocation_refresh / 2;
        if self.was_read() { gap } else { gap.min(FIRST_GAP) }
    }

    /// Whether somebody's login, key or account no longer counts.
    pub(crate) fn is_revoked(&self, agent: &Agent) -> bool {
        let list = self.list.read();
        if agent.login.is_some_and(|login| list.logins.contains_key(&login))
            || agent.key.is_some_and(|key| list.keys.contains_key(&key))
        {
            return true;
        }
        let Some(before) = list.agents.get(&agent.id) else { return false };
        // Tokens tell whole seconds only; whoever logged in after the change, within the same second, is meant to stay.
        let began_later = agent.login.and_then(begun).is_some_and(|begun| begun >= before.at);
        agent.issued < before.at && !began_later
    }

    /// Waits until somebody no longer counts. For what outlives its request.
    pub(crate) async fn revoked(&self, agent: &Agent) {
        let mut changed = self.changed.subscribe();
        while !self.is_revoked(agent) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Keeps the list fresh until the process stops: every few seconds, and when agent-auth tells that there is news.
    pub(crate) async fn follow(&self, tasks: Lifecycle, mut hints: Subscription) {
        let stopping = tasks.stopping();
        tokio::pin!(stopping);
        tokio::select! {
            () = &mut stopping => return,
            () = self.await_first() => {}
        }
        let mut ticks = tokio::time::interval(self.settings.revocation_refresh);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stopping => return,
                _ = ticks.tick() => self.read().await,
                hint = hints.next() => if matches!(hint, Hint::Revocations | Hint::Gap) {
                    self.read().await;
                },
            }
        }
    }

    /// Reads what is new, unless somebody just did.
    pub(crate) async fn read(&self) {
        let asked = Instant::now();
        let mut attempt = self.attempt.lock().await;
        // Others that waited for the same reading have what they need; after a failure the next one has to wait its turn.
        let gap = self.gap();
        if attempt.is_some_and(|last| last >= asked || last.elapsed() < gap) {
            return;
        }
        *attempt = Some(Instant::now());
        let context = CallContext::background(ServiceName::Gateway, &*self.clock, &*self.rng)
            .acting_as(Principal::Service(ServiceName::Gateway));
        let mut login = self.peers.login();
        let request = ListRevocationsRequest { after: self.list.read().cursor };
        let call = tokio::time::timeout(self.settings.revocation_timeout, login.list_revocations(request));
        let outcome = match context.scope(call).await {
            Ok(Ok(answer)) => self.take(answer.into_inner()),
            Ok(Err(status)) => {
                tracing::warn!(error = chain(&status), "revocations cannot be read");
                return;
            }
            Err(_elapsed) => {
                tracing::warn!("reading revocations took too long");
                return;
            }
        };
        match outcome {
            Ok(()) => metrics::gauge!("switchboard_revocations").set(self.count()),
            Err(error) => tracing::error!(%error, "a revocation cannot be read"),
        }
    }

    /// Adds what is new, forgets what has become meaningless. A list with one line that cannot be read does not count.
    fn take(&self, answer: ListRevocationsResponse) -> Result<(), WireError> {
        let now = self.clock.now();
        let is_news = !answer.revocations.is_empty();
        let mut list = self.list.write();
        for revocation in answer.revocations {
            list.add(revocation)?;
        }
        list.logins.retain(|_, until| *until > now);
        list.keys.retain(|_, until| *until > now);
        list.agents.retain(|_, before| before.until > now);
        list.cursor = answer.cursor;
        list.read = Some(Instant::now());
        drop(list);
        if is_news {
            self.changed.send_replace(());
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of lines in memory")]
    fn count(&self) -> f64 {
        let list = self.list.read();
        (list.logins.len() + list.keys.len() + list.agents.len()) as f64
    }
}

impl List {
    fn add(&mut self, revocation: Revocation) -> Result<(), WireError> {
        let until = Timestamp::from_millis(revocation.until_ms);
        let at = Timestamp::from_millis(revocation.before_ms);
        match revocation.what.ok_or(WireError::new("revocation.what"))? {
            What::Login(id) => {
                let id = LoginId::parse(&id).map_err(|_| WireError::new("revocation.login"))?;
                self.logins.insert(id, until);
            }
            What::ApiKey(id) => {
                let id = ApiKeyId::parse(&id).map_err(|_| WireError::new("revocation.api_key"))?;
                self.keys.insert(id, until);
            }
            What::Agent(id) => {
                let id = AgentId::parse(&id).map_err(|_| WireError::new("revocation.agent"))?;
                let known = self.agents.entry(id).or_insert(Before { at, until });
                known.at = known.at.max(at);
                known.until = known.until.max(until);
            }
        }
        Ok(())
    }
}

/// When a login began: its id is a UUID of version 7, whose first 48 bits are milliseconds.
fn begun(login: LoginId) -> Option<Timestamp> {
    let text = login.to_string();
    let digits = text.strip_prefix(LoginId::PREFIX)?.strip_prefix('_')?.get(..12)?;
    i64::from_str_radix(digits, 16).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_login_began() {
        let clock = crate::testing::ManualClock::default();
        let login = LoginId::mint(&clock, &crate::testing::CountingRng::default());
        assert_eq!(begun(login), Some(clock.now()));
    }
}
