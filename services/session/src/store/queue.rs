//! The queue: who waits, in the order in which they will be served. Read from an index that holds only those who wait, a
//! bounded number of them.

use super::{Store, or_next, rows::StoredDesk};
use crate::error::SessionError;
use switchboard_db::{Statement, sql};
use switchboard_domain::{
    SessionName, Timestamp,
    entry::AgentRef,
    routing::{self, Candidate, Priority, Waiting},
};

/// Somebody who waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiter {
    pub(crate) waiting: Waiting,
    /// The queue.
    pub(crate) queue: String,
    /// Skills that an agent should have.
    pub(crate) needs: Vec<String>,
    /// Who served it last.
    pub(crate) last_agent: Option<AgentRef>,
}

/// How many wait, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueueSums {
    pub(crate) total: i64,
    pub(crate) vips: i64,
    pub(crate) mean_wait_ms: i64,
    pub(crate) max_wait_ms: i64,
}

#[derive(Debug, sqlx::FromRow)]
struct WaiterRow {
    name: String,
    vip: i64,
    due_at: i64,
    queue: String,
    desk: String,
}

macro_rules! waiters {
    ($only:literal) => {
        concat!(
            "SELECT s.name, s.vip, s.due_at, s.queue, s.desk FROM session s WHERE s.due_at IS NOT NULL AND s.vip = $1 \
             AND s.pressing = $2 AND s.due_at <= $3 AND ($4 = '' OR s.queue = $4) ",
            $only,
            " ORDER BY s.due_at, s.name LIMIT $5"
        )
    };
}
pub(super) const ALL: &str = waiters!("");
pub(super) const NOT_OFFERED: &str =
    waiters!("AND NOT EXISTS (SELECT 1 FROM offer o WHERE o.session = s.name AND o.state = 'open')");
/// Within each of these, whoever waits longest is served first: together they give the head of the queue exactly.
const CLASSES: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

impl Store {
    /// Up to `limit` who wait, the first to be served first. Empty `queue`: of all queues.
    pub(crate) async fn waiters(&self, queue: &str, limit: u32) -> Result<Vec<Waiter>, SessionError> {
        self.head(ALL, queue, limit).await
    }

    /// The same without those who are offered to somebody.
    pub(crate) async fn not_offered(&self, limit: u32) -> Result<Vec<Waiter>, SessionError> {
        self.head(NOT_OFFERED, "", limit).await
    }

    async fn head(&self, text: &'static str, queue: &str, limit: u32) -> Result<Vec<Waiter>, SessionError> {
        let (now, timeout) = (self.clock.now(), self.settings.queue.timeout);
        let mut waiters = Vec::new();
        for (vip, pressing) in CLASSES {
            let class = sql(text).bind(vip).bind(pressing).bind(now.millis()).bind(queue).bind(limit);
            for row in self.db.fetch_all::<WaiterRow>(class).await? {
                let name = row.name.clone();
                let waiter = row.into_waiter().map(Some);
                waiters.extend(or_next(waiter, &name, "a waiting session cannot be read"));
            }
        }
        waiters.sort_by_cached_key(|waiter: &Waiter| waiter.waiting.place(now, timeout));
        waiters.truncate(limit as usize);
        Ok(waiters)
    }

    /// How many wait, and for how long. Empty `queue`: in all queues.
    pub(crate) async fn queue_sums(&self, queue: &str) -> Result<QueueSums, SessionError> {
        const SUMS: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(vip), 0) AS BIGINT), \
                            CAST(COALESCE(SUM(due_at - $1), 0) AS BIGINT), \
                            COALESCE(MIN(due_at), $1) FROM session WHERE due_at <= $1 AND ($2 = '' OR queue = $2)";
        let now = self.clock.now().millis();
        let (total, vips, waits, first): (i64, i64, i64, i64) =
            self.db.fetch_one(sql(SUMS).bind(now).bind(queue)).await?;
        let mean_wait_ms = if total == 0 { 0 } else { -waits / total };
        Ok(QueueSums { total, vips, mean_wait_ms, max_wait_ms: now - first })
    }

    /// How pressing a session is that waits at `now`.
    pub(crate) fn priority(&self, session: &switchboard_domain::Session, now: Timestamp) -> Option<Priority> {
        let due_at = session.desk.due_at.filter(|due_at| *due_at <= now)?;
        let waiting = Waiting {
            name: session.name.clone(),
            vip: session.profile.vip,
            due_at,
            urgent: session.desk.urgent.clone(),
            repeats: session.desk.repeats,
        };
        Some(waiting.priority(now, self.settings.queue.timeout))
    }

    /// What estimates of waits rest on at this moment.
    pub(crate) async fn pace(&self) -> Result<Pace, SessionError> {
        const MEAN: &str = "SELECT CAST(COALESCE(SUM(waited), 0) AS BIGINT), COUNT(*) FROM (SELECT waited FROM stretch \
                            WHERE waited IS NOT NULL ORDER BY from_at DESC LIMIT $1) AS last";
        let (sum, count): (i64, i64) =
            self.db.fetch_one(sql(MEAN).bind(self.settings.queue.estimated_from)).await?;
        let mean_ms = (count > 0).then(|| sum / count);
        // Without a mean nothing is estimated.
        let candidates = if mean_ms.is_some() { self.candidates().await? } else { Vec::new() };
        Ok(Pace { mean_ms, candidates, rules: self.settings.routing.rules(), now: self.clock.now() })
    }

    /// When the next one is due who is not yet.
    pub(crate) async fn next_due(&self) -> Result<Option<Timestamp>, SessionError> {
        let next: Statement = sql("SELECT due_at FROM session WHERE due_at > $1 ORDER BY due_at LIMIT 1")
            .bind(self.clock.now().millis());
        let due: Option<(i64,)> = self.db.fetch_optional(next).await?;
        Ok(due.map(|(due,)| Timestamp::from_millis(due)))
    }
}

/// How fast those who wait are served.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How long the last ones who were served had waited, on the average.
    mean_ms: Option<i64>,
    candidates: Vec<Candidate>,
    rules: routing::Settings,
    now: Timestamp,
}

impl Pace {
    /// How long it takes until the waiter at this position has been served: the mean of the last waits for each place,
    /// shared by the agents who serve what this one needs. `None` when nobody was served yet, or none of these is there.
    pub(crate) fn wait_ms(&self, waiter: &Waiter, position: u32) -> Option<i64> {
        let waited = self.now.since(waiter.waiting.due_at);
        let agents = routing::servers(&waiter.needs, &self.candidates, waited, self.rules);
        let agents = i64::try_from(agents).ok().filter(|agents| *agents > 0)?;
        Some((self.mean_ms? / agents).saturating_mul(i64::from(position)))
    }
}

impl WaiterRow {
    fn into_waiter(self) -> Result<Waiter, SessionError> {
        let desk = StoredDesk::read(&self.desk)?;
        Ok(Waiter {
            waiting: Waiting {
                name: SessionName::parse(&self.name)?,
                vip: self.vip != 0,
                due_at: Timestamp::from_millis(self.due_at),
                urgent: desk.urgent,
                repeats: desk.repeats,
            },
            queue: self.queue,
            needs: desk.needs,
            last_agent: desk.last_agent,
        })
    }
}
