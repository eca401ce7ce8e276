//! Questions among colleagues. The one who is asked, and the one who asked, learn of it by their own logs.

use super::{Repeatable, Store, feed, offers::seconds, roster};
use crate::error::SessionError;
use serde_json::json;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, sql};
use switchboard_domain::{AgentId, AssistId, ErrorKind, Failure, SessionName, Timestamp, entry::AgentRef};

/// A row of `assist`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AssistRow {
    pub(crate) id: String,
    pub(crate) session: String,
    pub(crate) requester_id: String,
    pub(crate) requester_name: String,
    pub(crate) assistant_id: String,
    pub(crate) assistant_name: String,
    pub(crate) question: String,
    pub(crate) answer: String,
    pub(crate) created_at: i64,
    pub(crate) answered_at: Option<i64>,
    made_fingerprint: Option<String>,
}

macro_rules! columns {
    () => {
        "id, session, requester_id, requester_name, assistant_id, assistant_name, question, answer, created_at, \
         answered_at, made_fingerprint"
    };
}

fn refused(kind: ErrorKind, code: &'static str, told: &str) -> SessionError {
    Failure::new(kind, code, told).into()
}

impl Store {
    /// Asks a colleague, once for each key.
    pub(crate) async fn ask_assist(
        &self,
        session: SessionName,
        requester: AgentRef,
        assistant: String,
        question: String,
        key: Option<Repeatable>,
    ) -> Result<AssistRow, SessionError> {
        // A session that does not exist is not asked about.
        self.session(&session).await?;
        let id = AssistId::mint(&*self.clock, &*self.rng).to_string();
        let now = self.clock.now();
        let log =
            record(&*self.clock, "assist.ask", &id, None, None, &json!({ "session": session.as_str() }));
        let (made, place) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    if let Some(row) = asked_before(tx, requester.id, key.as_ref()).await? {
                        return Ok((row, None));
                    }
                    let assistant = colleague(tx, &assistant, requester.id).await?;
                    let row = AssistRow {
                        id,
                        session: session.to_string(),
                        requester_id: requester.id.to_string(),
                        requester_name: requester.name,
                        assistant_id: assistant.id.to_string(),
                        assistant_name: assistant.name,
                        question,
                        answer: String::new(),
                        created_at: now.millis(),
                        answered_at: None,
                        made_fingerprint: key.as_ref().map(|key| key.fingerprint.clone()),
                    };
                    insert(tx, &row, key.as_ref()).await?;
                    let place = tell(tx, assistant.id, "assist_request", &row, now).await?;
                    audit::append(tx, audit::NewRecord { after_digest: digest(&row), ..log }).await?;
                    Ok::<_, SessionError>((row, Some(place)))
                })
            })
            .await?;
        self.hub.told(place.as_slice());
        Ok(made)
    }

    /// Answers a question, once.
    pub(crate) async fn answer_assist(
        &self,
        id: AssistId,
        by: AgentId,
        answer: String,
    ) -> Result<AssistRow, SessionError> {
        const LOCK: &str = "UPDATE assist SET answer = CASE WHEN answered_at IS NULL AND assistant_id = $2 THEN $3 \
                            ELSE answer END, answered_at = CASE WHEN answered_at IS NULL AND assistant_id = $2 \
                            THEN $4 ELSE answered_at END WHERE id = $1 AND answered_at IS NULL";
        const GET: &str = concat!("SELECT ", columns!(), " FROM assist WHERE id = $1");
        let now = self.clock.now();
        let log = record(&*self.clock, "assist.answer", &id.to_string(), None, None, &json!({}));
        let (answered, place) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let lock = sql(LOCK)
                        .bind(id.to_string())
                        .bind(by.to_string())
                        .bind(answer.as_str())
                        .bind(now.millis());
                    let open = tx.execute(lock).await? == 1;
                    let found: Option<AssistRow> = tx.fetch_optional(sql(GET).bind(id.to_string())).await?;
                    let row = found
                        .ok_or_else(|| refused(ErrorKind::NotFound, "ASSIST_NOT_FOUND", "协助请求不存在"))?;
                    if row.assistant_id != by.to_string() {
                        return Err(refused(
                            ErrorKind::Forbidden,
                            "PERMISSION_DENIED",
                            "只有被请求的坐席可以回答",
                        ));
                    }
                    if !open {
                        // The same answer again is the same call again.
                        return if row.answer == answer {
                            Ok((row, None))
                        } else {
                            Err(refused(ErrorKind::Invalid, "ALREADY_ANSWERED", "该协助请求已被回答"))
                        };
                    }
                    let requester = AgentId::parse(&row.requester_id)
                        .map_err(|_| SessionError::Corrupt { table: "assist" })?;
                    let place = tell(tx, requester, "assist_answer", &row, now).await?;
                    let asked = AssistRow { answer: String::new(), answered_at: None, ..row.clone() };
                    let (before_digest, after_digest) = (digest(&asked), digest(&row));
                    audit::append(tx, audit::NewRecord { before_digest, after_digest, ..log }).await?;
                    Ok((row, Some(place)))
                })
            })
            .await?;
        self.hub.told(place.as_slice());
        Ok(answered)
    }

    /// Questions to `agent`, from `agent`, and how many of the former wait; newest first.
    pub(crate) async fn assists(
        &self,
        agent: AgentId,
        answered: Option<bool>,
        limit: i64,
    ) -> Result<(Vec<AssistRow>, Vec<AssistRow>, i64), SessionError> {
        macro_rules! of {
            ($who:literal) => {
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM assist WHERE ",
                    $who,
                    " = $1 AND ($2 = 0 OR ($2 = 1) = (answered_at IS NOT NULL)) \
                     ORDER BY created_at DESC, id DESC LIMIT $3"
                )
            };
        }
        const PENDING: &str = "SELECT COUNT(*) FROM assist WHERE assistant_id = $1 AND answered_at IS NULL";
        let wanted: i64 = match answered {
            None => 0,
            Some(true) => 1,
            Some(false) => 2,
        };
        let bound = |text| sql(text).bind(agent.to_string()).bind(wanted).bind(limit);
        let received = self.db.fetch_all(bound(of!("assistant_id"))).await?;
        let sent = self.db.fetch_all(bound(of!("requester_id"))).await?;
        let (pending,): (i64,) = self.db.fetch_one(sql(PENDING).bind(agent.to_string())).await?;
        Ok((received, sent, pending))
    }
}

async fn asked_before(
    tx: &mut Tx,
    requester: AgentId,
    key: Option<&Repeatable>,
) -> Result<Option<AssistRow>, SessionError> {
    const MADE: &str =
        concat!("SELECT ", columns!(), " FROM assist WHERE requester_id = $1 AND made_key = $2");
    let Some(key) = key else { return Ok(None) };
    let made = sql(MADE).bind(requester.to_string()).bind(key.key.as_str());
    let found: Option<AssistRow> = tx.fetch_optional(made).await?;
    match found {
        Some(row) if row.made_fingerprint.as_deref() != Some(&*key.fingerprint) => {
            Err(SessionError::KeyReused)
        }
        found => Ok(found),
    }
}

async fn colleague(tx: &mut Tx, name: &str, requester: AgentId) -> Result<AgentRef, SessionError> {
    let line = roster::find(tx, name)
        .await?
        .ok_or_else(|| refused(ErrorKind::NotFound, "ASSISTANT_NOT_FOUND", "协助坐席不存在"))?;
    if line.agent.id == requester {
        return Err(refused(ErrorKind::Invalid, "SAME_AGENT", "不能向自己发起协助请求"));
    }
    Ok(line.agent)
}

async fn insert(tx: &mut Tx, row: &AssistRow, key: Option<&Repeatable>) -> Result<(), SessionError> {
    const ADD: &str = "INSERT INTO assist (id, session, requester_id, requester_name, assistant_id, assistant_name, \
                       question, answer, created_at, made_key, made_fingerprint) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9, $10)";
    let add = sql(ADD)
        .bind(row.id.as_str())
        .bind(row.session.as_str())
        .bind(row.requester_id.as_str())
        .bind(row.requester_name.as_str())
        .bind(row.assistant_id.as_str())
        .bind(row.assistant_name.as_str())
        .bind(row.question.as_str())
        .bind(row.created_at)
        .bind(key.map(|key| key.key.as_str().to_owned()))
        .bind(row.made_fingerprint.clone());
    tx.execute(add).await?;
    Ok(())
}

/// The entry's payload has the members of the contract's events; times are epoch seconds.
async fn tell(
    tx: &mut Tx,
    to: AgentId,
    kind: &str,
    row: &AssistRow,
    now: Timestamp,
) -> Result<(AgentId, i64), SessionError> {
    let payload = match row.answered_at {
        None => json!({ "data": {
            "id": row.id, "session_name": row.session, "requester": row.requester_name, "question": row.question,
            "created_at": seconds(Timestamp::from_millis(row.created_at)),
        }}),
        Some(at) => json!({ "data": {
            "id": row.id, "session_name": row.session, "assistant": row.assistant_name, "answer": row.answer,
            "answered_at": seconds(Timestamp::from_millis(at)),
        }}),
    };
    let seq = feed::tell(tx, to, kind, &row.session, &payload.to_string(), now).await?;
    Ok((to, seq))
}

fn digest(row: &AssistRow) -> String {
    let whole = json!({
        "session": row.session, "requester": row.requester_id, "assistant": row.assistant_id,
        "question": row.question, "answer": row.answer, "answered_at": row.answered_at,
    });
    audit::digest(&whole.to_string())
}
