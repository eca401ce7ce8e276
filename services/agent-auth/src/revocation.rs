//! What no longer counts although it has not expired. The log is read by the edge every few seconds; its numbers are
//! given under the lock of the head, which is held until the commit: whoever has seen a number has seen all before it.

use crate::AgentAuthError;
use std::time::Duration;
use switchboard_db::{Db, DbError, Tx, sql};
use switchboard_domain::{AgentId, ApiKeyId, LoginId, Timestamp};
use switchboard_proto::agentauth::v1::{
    ListRevocationsResponse,
    list_revocations_response::{Revocation, revocation::What},
};

/// Most entries of one answer; the next call gets more.
const PAGE: i64 = 1000;
/// How far in front of the clock the end of validity may run when logins are ended again and again within a second: less
/// than the leeway of verifiers.
const AHEAD_MAX_MS: i64 = 3000;

/// Ends all logins of an account: refresh tokens at once, access tokens as soon as verifiers have read the log. `keep` is
/// `Settings::revocation_keep`. Answers from when on access tokens must be issued to count.
///
/// For a password that was changed, an account that was disabled, deleted or got another role. Tokens say in whole
/// seconds when they were issued, so a token for a login that goes on is issued at the answered time at the earliest.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn revoke_logins(
    tx: &mut Tx,
    agent: AgentId,
    now: Timestamp,
    keep: Duration,
) -> Result<Timestamp, DbError> {
    const END: &str = "UPDATE login SET ended_at = $2 WHERE agent_id = $1 AND ended_at IS NULL";
    let valid_after = raise(tx, agent, now).await?;
    tx.execute(sql(END).bind(agent.to_string()).bind(now.millis())).await?;
    note(tx, "agent", &agent.to_string(), valid_after, now.plus(keep)).await?;
    Ok(valid_after)
}

/// Ends the access tokens of an account, not its logins: the next refresh gives one that says what it may do now. For a
/// role that was changed, or one that may do more.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn revoke_tokens(
    tx: &mut Tx,
    agent: AgentId,
    now: Timestamp,
    keep: Duration,
) -> Result<(), DbError> {
    let valid_after = raise(tx, agent, now).await?;
    note(tx, "agent", &agent.to_string(), valid_after, now.plus(keep)).await
}

/// Moves the time from when on access tokens of an account count.
async fn raise(tx: &mut Tx, agent: AgentId, now: Timestamp) -> Result<Timestamp, DbError> {
    const RAISE: &str = "UPDATE agent SET pv = pv + 1, valid_after = CASE
            WHEN valid_after + 1000 > $3 THEN CASE WHEN valid_after > $3 THEN valid_after ELSE $3 END
            WHEN valid_after + 1000 > $2 THEN valid_after + 1000
            ELSE $2 END
        WHERE id = $1 RETURNING valid_after";
    let next_second = now.seconds().saturating_add(1).saturating_mul(1000);
    let latest = next_second.saturating_add(AHEAD_MAX_MS - 1000);
    let raise = sql(RAISE).bind(agent.to_string()).bind(next_second).bind(latest);
    let raised = tx.fetch_optional::<(i64,)>(raise).await?;
    Ok(Timestamp::from_millis(raised.map_or(next_second, |(at,)| at)))
}

/// Ends one login of an account; answers whether it was open.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn revoke_login(
    tx: &mut Tx,
    agent: AgentId,
    login: LoginId,
    now: Timestamp,
    keep: Duration,
) -> Result<bool, DbError> {
    if !end_login(tx, agent, login, now).await? {
        return Ok(false);
    }
    note_login(tx, login, now, keep).await?;
    Ok(true)
}

/// The first half of [`revoke_login`], for who takes other locks before the head of the log: ends the login and its
/// refresh tokens; answers whether it was open.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn end_login(
    tx: &mut Tx,
    agent: AgentId,
    login: LoginId,
    now: Timestamp,
) -> Result<bool, DbError> {
    const END: &str = "UPDATE login SET ended_at = $3 WHERE id = $1 AND agent_id = $2 AND ended_at IS NULL";
    let end = sql(END).bind(login.to_string()).bind(agent.to_string()).bind(now.millis());
    Ok(tx.execute(end).await? == 1)
}

/// The second half of [`revoke_login`]: tells verifiers of access tokens.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn note_login(
    tx: &mut Tx,
    login: LoginId,
    now: Timestamp,
    keep: Duration,
) -> Result<(), DbError> {
    note(tx, "login", &login.to_string(), now, now.plus(keep)).await
}

/// Tells verifiers to forget an API key; the caller has marked its row.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn revoke_api_key(
    tx: &mut Tx,
    key: ApiKeyId,
    now: Timestamp,
    keep: Duration,
) -> Result<(), DbError> {
    note(tx, "api_key", &key.to_string(), now, now.plus(keep)).await
}

async fn note(
    tx: &mut Tx,
    kind: &'static str,
    subject: &str,
    before: Timestamp,
    until: Timestamp,
) -> Result<(), DbError> {
    const NEXT: &str = "UPDATE revocation_head SET seq = seq + 1 WHERE id = 1 RETURNING seq";
    const ADD: &str = "INSERT INTO revocation (seq, kind, subject, before_ms, until_ms)
        VALUES ($1, $2, $3, $4, $5)";
    let (seq,) = tx.fetch_one::<(i64,)>(sql(NEXT)).await?;
    let add = sql(ADD).bind(seq).bind(kind).bind(subject).bind(before.millis()).bind(until.millis());
    tx.execute(add).await.map(drop)
}

/// What was revoked after the cursor and may still matter.
///
/// # Errors
/// [`AgentAuthError::Db`]; [`AgentAuthError::Stored`] when a row is of no known kind.
pub(crate) async fn list(
    db: &Db,
    after: i64,
    now: Timestamp,
) -> Result<ListRevocationsResponse, AgentAuthError> {
    const HEAD: &str = "SELECT seq FROM revocation_head WHERE id = 1";
    const LIST: &str = "SELECT seq, kind, subject, before_ms, until_ms FROM revocation
        WHERE seq > $1 AND seq <= $2 AND until_ms > $3 ORDER BY seq LIMIT $4";
    // Read first: all up to here is visible to the second statement, what comes in between is for the next call.
    let (head,) = db.fetch_one::<(i64,)>(sql(HEAD)).await?;
    // A cursor from before a restore points behind the end: begin again.
    let after = if after > head { 0 } else { after };
    let list = sql(LIST).bind(after).bind(head).bind(now.millis()).bind(PAGE);
    let rows: Vec<(i64, String, String, i64, i64)> = db.fetch_all(list).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    let cursor = rows.last().filter(|_| is_full).map_or(head, |row| row.0);
    let revocations = rows.into_iter().map(told).collect::<Result<_, AgentAuthError>>()?;
    Ok(ListRevocationsResponse { revocations, cursor })
}

fn told(row: (i64, String, String, i64, i64)) -> Result<Revocation, AgentAuthError> {
    let (_, kind, subject, before_ms, until_ms) = row;
    let what = match kind.as_str() {
        "login" => What::Login(subject),
        "agent" => What::Agent(subject),
        "api_key" => What::ApiKey(subject),
        _ => return Err(AgentAuthError::Stored { what: "a revocation" }),
    };
    Ok(Revocation { what: Some(what), before_ms, until_ms })
}
