//! Deletes what has expired, a little at a time. Of many replicas each does so; they find what the others left.

use crate::{api_key_admin, config::Settings, store::Store};
use std::{sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_db::{DbError, Statement, sql};
use switchboard_domain::{Clock, Timestamp};
use switchboard_mesh::reply::chain;

/// Rows of one table that one transaction deletes at most.
const BATCH: i64 = 500;

const TOKENS: &str = "DELETE FROM refresh_token WHERE login_id IN
    (SELECT id FROM login WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2)";
const LOGINS: &str = "DELETE FROM login WHERE id IN
    (SELECT id FROM login WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2)";
const REVOCATIONS: &str = "DELETE FROM revocation WHERE seq IN
    (SELECT seq FROM revocation WHERE until_ms <= $1 ORDER BY until_ms LIMIT $2)";
const TALLIES: &str = "DELETE FROM throttle WHERE subject IN
    (SELECT subject FROM throttle WHERE last_at <= $1 ORDER BY last_at LIMIT $2)";
const TICKETS: &str = "DELETE FROM event_ticket WHERE digest IN
    (SELECT digest FROM event_ticket WHERE expires_at <= $1 ORDER BY expires_at, digest LIMIT $2)";
const DEVICES: &str = "DELETE FROM known_device WHERE last_login_at <= $1";

/// Deletes what has expired at `now`.
///
/// # Errors
/// Any [`DbError`] of a transaction.
pub(crate) async fn run(store: &Store, settings: &Settings, now: Timestamp) -> Result<(), DbError> {
    let ago =
        |time: Duration| now.millis().saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    // Tokens go with their logins in one transaction: none comes back as unknown while its login is there.
    delete(store, &[(TOKENS, now.millis()), (LOGINS, now.millis())]).await?;
    delete(store, &[(REVOCATIONS, now.millis())]).await?;
    delete(store, &[(TICKETS, now.millis())]).await?;
    delete(store, &[(TALLIES, ago(settings.throttle_memory))]).await?;
    let devices = sql(DEVICES).bind(ago(settings.device_memory));
    for statement in [devices, api_key_admin::forget(now)] {
        store
            .db
            .transaction::<_, DbError, _>(move |tx| {
                Box::pin(async move { tx.execute(statement).await.map(drop) })
            })
            .await?;
    }
    Ok(())
}

/// Runs statements together, again and again, until the last one finds less than a batch.
async fn delete(store: &Store, statements: &[(&'static str, i64)]) -> Result<(), DbError> {
    loop {
        let bound: Vec<Statement> =
            statements.iter().map(|(text, before)| sql(text).bind(*before).bind(BATCH)).collect();
        let deleted = store
            .db
            .transaction::<_, DbError, _>(move |tx| {
                Box::pin(async move {
                    let mut last = 0;
                    for statement in bound {
                        last = tx.execute(statement).await?;
                    }
                    Ok(last)
                })
            })
            .await?;
        if deleted < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// Cleans up every `agent_auth.cleanup_interval`, until the soft stop.
pub(crate) async fn tend(store: Store, settings: Arc<Settings>, clock: Arc<dyn Clock>, life: Lifecycle) {
    let stopping = life.stopping();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = tokio::time::sleep(settings.cleanup_interval) => {}
            () = &mut stopping => return,
        }
        if let Err(error) = run(&store, &settings, clock.now()).await {
            tracing::warn!(
                error = chain(&error),
                "what has expired could not be deleted, trying again later"
            );
        }
    }
}
