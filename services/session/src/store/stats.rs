//! The numbers of the floor. Each is defined in services/session/README.md, "Numbers"; each costs what waits, what is
//! live, or what happened since the start of the day, never how many sessions there are.

use super::{Store, queue::QueueSums, tally::RANKS};
use crate::error::SessionError;
use switchboard_db::sql;
use switchboard_domain::{AgentId, Timestamp};

/// A mean or a share that may have nothing to rest on.
pub(crate) type Known = Option<i64>;

/// The numbers of the floor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    /// Sessions of each rank.
    pub(crate) ranks: [i64; RANKS],
    pub(crate) queue: QueueSums,
    pub(crate) live: Live,
    /// Reasons of those who wait and of the live ones.
    pub(crate) by_reason: Vec<(String, i64)>,
    pub(crate) begun: Begun,
    pub(crate) ended: Ended,
    pub(crate) turns: Turns,
}

/// Sessions that an agent owns now.
#[derive(Debug, Clone, Copy, Default, sqlx::FromRow)]
pub(crate) struct Live {
    pub(crate) agents: i64,
    pub(crate) mean_service_ms: i64,
}

/// Stretches that began since the start of the day.
#[derive(Debug, Clone, Copy, Default, sqlx::FromRow)]
pub(crate) struct Begun {
    /// Calls for a human.
    pub(crate) calls: i64,
    /// Calls while the shop was shut.
    pub(crate) after_hours: i64,
    /// Waits that are not over.
    pub(crate) waiting: i64,
    /// Services that are not over.
    pub(crate) serving: i64,
    pub(crate) services: i64,
    pub(crate) agents: i64,
    pub(crate) messages: i64,
    pub(crate) waited: i64,
    pub(crate) taken: i64,
}

/// Services that ended since the start of the day.
#[derive(Debug, Clone, Copy, Default, sqlx::FromRow)]
pub(crate) struct Ended {
    pub(crate) services: i64,
    pub(crate) service_ms: i64,
    /// By release or close.
    pub(crate) served: i64,
    /// Of these: nobody called for a human in that session again.
    pub(crate) resolved: i64,
}

/// Turns that ended since the start of the day.
#[derive(Debug, Clone, Copy, Default, sqlx::FromRow)]
pub(crate) struct Turns {
    pub(crate) ended: i64,
    pub(crate) done: i64,
    pub(crate) handed_over: i64,
    pub(crate) answer_ms: i64,
}

/// The numbers of one agent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AgentNumbers {
    pub(crate) current: i64,
    pub(crate) max_sessions: u32,
    pub(crate) processed: i64,
    pub(crate) mean_response_ms: Known,
    pub(crate) mean_duration_ms: Known,
}

pub(super) const LIVE: &str = "SELECT COUNT(DISTINCT agent_id) AS agents, \
                    CAST(COALESCE(SUM($1 - manual_since) / NULLIF(COUNT(*), 0), 0) AS BIGINT) AS mean_service_ms \
                    FROM session WHERE agent_id IS NOT NULL";
pub(super) const WAIT_REASONS: &str = "SELECT t.reason, COUNT(*) FROM session s JOIN stretch t ON t.session = s.name \
                            AND t.to_at IS NULL WHERE s.due_at <= $1 AND t.reason <> '' GROUP BY t.reason";
pub(super) const LIVE_REASONS: &str = "SELECT reason, COUNT(*) FROM stretch WHERE to_at IS NULL AND kind = 'service' \
                            AND reason <> '' GROUP BY reason";
pub(super) const BEGUN: &str = "SELECT CAST(COALESCE(SUM(called), 0) AS BIGINT) AS calls, \
    COUNT(CASE WHEN called = 1 AND kind = 'after_hours' THEN 1 END) AS after_hours, \
    COUNT(CASE WHEN kind = 'wait' AND to_at IS NULL THEN 1 END) AS waiting, \
    COUNT(CASE WHEN kind = 'service' AND to_at IS NULL THEN 1 END) AS serving, \
    COUNT(CASE WHEN kind = 'service' THEN 1 END) AS services, \
    COUNT(DISTINCT agent_id) AS agents, \
    CAST(COALESCE(SUM(messages), 0) AS BIGINT) AS messages, \
    CAST(COALESCE(SUM(waited), 0) AS BIGINT) AS waited, COUNT(waited) AS taken \
    FROM stretch WHERE from_at >= $1";
pub(super) const ENDED: &str = "SELECT COUNT(*) AS services, CAST(COALESCE(SUM(s.to_at - s.from_at), 0) AS BIGINT) AS service_ms, \
    COUNT(CASE WHEN s.outcome IN ('released', 'closed') THEN 1 END) AS served, \
    COUNT(CASE WHEN s.outcome IN ('released', 'closed') AND NOT EXISTS (SELECT 1 FROM stretch n \
    WHERE n.session = s.session AND n.seq > s.seq AND n.called = 1) THEN 1 END) AS resolved \
    FROM stretch s WHERE s.to_at >= $1 AND s.kind = 'service'";
pub(super) const TURNS: &str = "SELECT COUNT(*) AS ended, COUNT(CASE WHEN state = 'done' THEN 1 END) AS done, \
    COUNT(CASE WHEN state = 'handed_over' THEN 1 END) AS handed_over, \
    CAST(COALESCE(SUM(CASE WHEN state = 'done' THEN finished_at - started_at END), 0) AS BIGINT) AS answer_ms \
    FROM turn WHERE finished_at IS NOT NULL AND finished_at >= $1";

impl Store {
    /// The numbers now, and since `day_start`.
    pub(crate) async fn numbers(&self, day_start: Timestamp) -> Result<Numbers, SessionError> {
        let (now, since) = (self.clock.now().millis(), day_start.millis());
        let mut by_reason: Vec<(String, i64)> = self.db.fetch_all(sql(WAIT_REASONS).bind(now)).await?;
        for (reason, count) in self.db.fetch_all::<(String, i64)>(sql(LIVE_REASONS)).await? {
            match by_reason.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, known)) => *known += count,
                None => by_reason.push((reason, count)),
            }
        }
        Ok(Numbers {
            ranks: self.ranks().await?,
            queue: self.queue_sums("").await?,
            live: self.db.fetch_one(sql(LIVE).bind(now)).await?,
            by_reason,
            begun: self.db.fetch_one(sql(BEGUN).bind(since)).await?,
            ended: self.db.fetch_one(sql(ENDED).bind(since)).await?,
            turns: self.db.fetch_one(sql(TURNS).bind(since)).await?,
        })
    }

    /// How many sessions there are of each rank.
    pub(crate) async fn ranks(&self) -> Result<[i64; RANKS], SessionError> {
        const SUMS: &str = "SELECT CAST(SUM(n0) AS BIGINT), CAST(SUM(n1) AS BIGINT), CAST(SUM(n2) AS BIGINT), \
                            CAST(SUM(n3) AS BIGINT), CAST(SUM(n4) AS BIGINT), CAST(SUM(n5) AS BIGINT), \
                            CAST(SUM(n6) AS BIGINT), CAST(SUM(n7) AS BIGINT), CAST(SUM(n8) AS BIGINT), \
                            CAST(SUM(n9) AS BIGINT) FROM tally";
        type Sums = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64);
        let n: Sums = self.db.fetch_one(sql(SUMS)).await?;
        Ok([n.0, n.1, n.2, n.3, n.4, n.5, n.6, n.7, n.8, n.9])
    }

    /// The numbers of an agent now, and since `day_start`.
    pub(crate) async fn agent_numbers(
        &self,
        agent: AgentId,
        day_start: Timestamp,
    ) -> Result<AgentNumbers, SessionError> {
        const CURRENT: &str = "SELECT COUNT(*) FROM session WHERE agent_id = $1";
        const MAX: &str = "SELECT max_sessions FROM roster WHERE agent_id = $1";
        const PROCESSED: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(to_at - from_at), 0) AS BIGINT) FROM stretch \
                                 WHERE agent_id = $1 AND to_at IS NOT NULL AND to_at >= $2";
        const RESPONSE: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(answered_at - from_at), 0) AS BIGINT) FROM stretch \
                                WHERE agent_id = $1 AND from_at >= $2 AND answered_at IS NOT NULL";
        let (id, since) = (agent.to_string(), day_start.millis());
        let (current,): (i64,) = self.db.fetch_one(sql(CURRENT).bind(id.as_str())).await?;
        let max: Option<(i64,)> = self.db.fetch_optional(sql(MAX).bind(id.as_str())).await?;
        let (processed, duration): (i64, i64) =
            self.db.fetch_one(sql(PROCESSED).bind(id.as_str()).bind(since)).await?;
        let (answered, response): (i64, i64) =
            self.db.fetch_one(sql(RESPONSE).bind(id.as_str()).bind(since)).await?;
        Ok(AgentNumbers {
            current,
            max_sessions: max.and_then(|(max,)| u32::try_from(max).ok()).unwrap_or_default(),
            processed,
            mean_response_ms: mean(response, answered),
            mean_duration_ms: mean(duration, processed),
        })
    }
}

/// `sum` over `count`, if there is any.
pub(crate) fn mean(sum: i64, count: i64) -> Known {
    (count > 0).then(|| sum / count)
}

/// `part` of `whole` in units of which `one` makes the whole.
pub(crate) fn share(part: i64, whole: i64, one: i64) -> Known {
    (whole > 0).then(|| part.saturating_mul(one) / whole)
}
