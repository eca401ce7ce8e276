//! Tables `throttle` and `known_device`.

use crate::{
    AgentAuthError, rejection,
    store::Store,
    throttle::{DEVICE_KEY, Subject, Tally, keys_of},
};
use std::time::Duration;
use switchboard_db::{DbError, Tx, sql};
use switchboard_domain::Timestamp;

/// An attempt that was counted as failed, until it is given back.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    /// Its key, and when its next attempt would have been heard without this one.
    subjects: Vec<(String, i64)>,
    /// Failures of the first subject, with this one.
    pub(crate) failures: i64,
}

impl Store {
    /// Counts an attempt with each of `subjects`, or with none.
    ///
    /// # Errors
    /// `TOO_MANY_ATTEMPTS` when it has to wait; [`AgentAuthError::Db`].
    pub(crate) async fn count_attempt(
        &self,
        subjects: Vec<Subject>,
        now: Timestamp,
    ) -> Result<Counted, AgentAuthError> {
        // Who floods is turned away by a read.
        for subject in &subjects {
            const OPEN: &str = "SELECT failures, last_at, open_at FROM throttle WHERE subject = $1";
            let tally: Option<Tally> = self.db.fetch_optional(sql(OPEN).bind(subject.key.as_str())).await?;
            subject.pace.admit(tally.unwrap_or_default(), now).map_err(rejection::too_many_attempts)?;
        }
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut counted = Counted { subjects: Vec::with_capacity(subjects.len()), failures: 0 };
                    // Everybody locks accounts and devices before addresses.
                    for (at, subject) in subjects.into_iter().enumerate() {
                        let (before, after) = count(tx, &subject, now).await?;
                        if at == 0 {
                            counted.failures = after.failures;
                        }
                        counted.subjects.push((subject.key, before.open_at));
                    }
                    Ok(counted)
                })
            })
            .await
    }

    /// Takes back what [`Self::count_attempt`] counted, of all subjects: the attempt was not heard.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn forget_attempt(&self, counted: Counted) -> Result<(), DbError> {
        self.db.transaction(move |tx| Box::pin(async move { give_back(tx, &counted, 0).await })).await
    }

    /// Takes back what was counted of the address: the password was right, the login goes on with a second factor.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn half_succeeded(&self, counted: Counted) -> Result<(), DbError> {
        self.db.transaction(move |tx| Box::pin(async move { give_back(tx, &counted, 1).await })).await
    }

    /// Whether somebody has logged in to an account on this device within `memory`.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn knows_device(
        &self,
        agent: &str,
        device: &str,
        now: Timestamp,
        memory: Duration,
    ) -> Result<bool, DbError> {
        const LAST: &str = "SELECT last_login_at FROM known_device WHERE agent_id = $1 AND device = $2";
        let last: Option<(i64,)> = self.db.fetch_optional(sql(LAST).bind(agent).bind(device)).await?;
        Ok(last.is_some_and(|(at,)| now.since(Timestamp::from_millis(at)) < memory))
    }
}

/// Forgets the failures of the account or device, which has proved itself, and takes back the one of the address, from
/// which others may be guessing.
pub(crate) async fn succeeded(tx: &mut Tx, counted: &Counted) -> Result<(), DbError> {
    const FORGET: &str = "DELETE FROM throttle WHERE subject = $1";
    if let Some((first, _)) = counted.subjects.first() {
        tx.execute(sql(FORGET).bind(first.as_str())).await?;
    }
    give_back(tx, counted, 1).await
}

/// Forgets the failures of an account and of its devices: its password is another one now. Those of addresses stay.
pub(crate) async fn forgive(tx: &mut Tx, agent: &str) -> Result<(), DbError> {
    const FORGIVE: &str = "DELETE FROM throttle WHERE subject = $1 OR subject = $2
        OR subject IN (SELECT $3 || device FROM known_device WHERE agent_id = $4)";
    let [account, own] = keys_of(agent);
    tx.execute(sql(FORGIVE).bind(account).bind(own).bind(DEVICE_KEY).bind(agent)).await.map(drop)
}

/// Remembers that somebody logged in to an account on this device.
pub(crate) async fn know_device(
    tx: &mut Tx,
    agent: &str,
    device: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    const KNOW: &str = "INSERT INTO known_device (agent_id, device, last_login_at) VALUES ($1, $2, $3)
        ON CONFLICT (agent_id, device) DO UPDATE SET last_login_at = excluded.last_login_at";
    tx.execute(sql(KNOW).bind(agent).bind(device).bind(now.millis())).await.map(drop)
}

async fn give_back(tx: &mut Tx, counted: &Counted, skip: usize) -> Result<(), DbError> {
    const GIVE_BACK: &str =
        "UPDATE throttle SET failures = CASE WHEN failures > 0 THEN failures - 1 ELSE 0 END,
        open_at = CASE WHEN open_at > $2 THEN $2 ELSE open_at END WHERE subject = $1";
    for (subject, open_at) in counted.subjects.iter().skip(skip) {
        tx.execute(sql(GIVE_BACK).bind(subject.as_str()).bind(*open_at)).await?;
    }
    Ok(())
}

async fn count(tx: &mut Tx, subject: &Subject, now: Timestamp) -> Result<(Tally, Tally), AgentAuthError> {
    // The row is there and locked, whoever comes first.
    const LOCK: &str = "INSERT INTO throttle (subject, failures, last_at, open_at) VALUES ($1, 0, 0, 0)
        ON CONFLICT (subject) DO UPDATE SET failures = throttle.failures RETURNING failures, last_at, open_at";
    const COUNT: &str = "UPDATE throttle SET failures = $2, last_at = $3, open_at = $4 WHERE subject = $1";
    let before: Tally = tx.fetch_one(sql(LOCK).bind(subject.key.as_str())).await?;
    let after = subject.pace.admit(before, now).map_err(rejection::too_many_attempts)?;
    let count = sql(COUNT).bind(subject.key.as_str()).bind(after.failures);
    tx.execute(count.bind(after.last_at).bind(after.open_at)).await?;
    Ok((before, after))
}
