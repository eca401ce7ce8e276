//! Tables `endpoint` and `endpoint_secret`.

use super::{
    EndpointRow, EndpointView, SecretRow, Store,
    queue::give_up,
    rows::{kinds, secrets},
};
use crate::{NotifierError, kinds::Kinds, webhook::sign::Secret};
use std::time::Duration;
use switchboard_db::{
    DbError, Tx,
    audit::{self, NewRecord},
    sql,
};
use switchboard_domain::{Timestamp, WebhookId};

/// What an endpoint is made of.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) url: String,
    pub(crate) description: String,
    pub(crate) kinds: Kinds,
    pub(crate) created_by: String,
}

/// What is changed; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edit {
    pub(crate) url: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) kinds: Option<Kinds>,
    pub(crate) enabled: Option<bool>,
}

/// Where a call goes, and what signs it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) secrets: Vec<Secret>,
}

macro_rules! select_endpoint {
    ($rest:literal) => {
        concat!(
            "SELECT id, url, description, kinds, enabled, disabled_reason, failing_since, created_by, created_at, \
             updated_at FROM endpoint ",
            $rest
        )
    };
}

/// So many earlier secrets sign beside the newest one at most.
const RETIRING_MAX: i64 = 3;

const ADD_SECRET: &str = "INSERT INTO endpoint_secret (endpoint, secret, created_at) VALUES ($1, $2, $3)";

impl Store {
    /// All endpoints, oldest first.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn endpoints(&self) -> Result<Vec<EndpointView>, DbError> {
        const SECRETS: &str = "SELECT endpoint, created_at, expires_at FROM endpoint_secret \
            WHERE expires_at IS NULL OR expires_at > $1 ORDER BY created_at, expires_at";
        let rows: Vec<EndpointRow> = self.db.fetch_all(sql(select_endpoint!("ORDER BY id"))).await?;
        let secrets: Vec<SecretRow> = self.db.fetch_all(sql(SECRETS).bind(self.now().millis())).await?;
        let view = |row: EndpointRow| {
            let own = secrets.iter().filter(|secret| secret.endpoint == row.id).cloned().collect();
            EndpointView { row, secrets: own }
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Where a call goes; `None` when there is no such enabled endpoint any more.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn target(&self, id: WebhookId) -> Result<Option<Target>, DbError> {
        const URL: &str = "SELECT url FROM endpoint WHERE id = $1 AND enabled = 1";
        const SECRETS: &str = "SELECT secret FROM endpoint_secret WHERE endpoint = $1 \
            AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at DESC";
        let Some((url,)) = self.db.fetch_optional::<(String,)>(sql(URL).bind(id.to_string())).await? else {
            return Ok(None);
        };
        let stored = self.db.fetch_all(sql(SECRETS).bind(id.to_string()).bind(self.now().millis())).await?;
        Ok(Some(Target { url, secrets: secrets(stored) }))
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// [`NotifierError::TooManyEndpoints`], any [`DbError`] of a transaction.
    pub(crate) async fn create_endpoint(
        &self,
        id: WebhookId,
        draft: Draft,
        secret: Secret,
        max: u32,
        act: NewRecord,
    ) -> Result<EndpointView, NotifierError> {
        const COUNT: &str = "SELECT COUNT(*) FROM endpoint";
        const ADD: &str = "INSERT INTO endpoint (id, url, description, kinds, enabled, created_by, created_at, \
            updated_at) VALUES ($1, $2, $3, $4, 1, $5, $6, $6)";
        let now = self.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let (count,): (i64,) = tx.fetch_one(sql(COUNT)).await?;
                    if count >= i64::from(max) {
                        return Err(NotifierError::TooManyEndpoints { max });
                    }
                    let add = sql(ADD)
                        .bind(id.to_string())
                        .bind(draft.url)
                        .bind(draft.description)
                        .bind(json(&draft.kinds))
                        .bind(draft.created_by)
                        .bind(now.millis());
                    tx.execute(add).await?;
                    let add_secret =
                        sql(ADD_SECRET).bind(id.to_string()).bind(secret.reveal()).bind(now.millis());
                    tx.execute(add_secret).await?;
                    finish(tx, id, now, None, act).await
                })
            })
            .await
    }

    /// Changes an endpoint. Enabling forgets its failures, disabling gives up what waits for it.
    ///
    /// # Errors
    /// [`NotifierError::UnknownEndpoint`], any [`DbError`] of a transaction.
    pub(crate) async fn update_endpoint(
        &self,
        id: WebhookId,
        edit: Edit,
        act: NewRecord,
    ) -> Result<EndpointView, NotifierError> {
        const UPDATE: &str = "UPDATE endpoint SET url = $2, description = $3, kinds = $4, enabled = $5, \
            disabled_reason = $6, failing_since = $7, updated_at = $8 WHERE id = $1";
        let now = self.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let before = view(tx, id, now).await?;
                    let row = before.row.clone();
                    let (was, is) = (row.enabled == 1, edit.enabled.unwrap_or(row.enabled == 1));
                    let kept = was == is;
                    let reason = if kept { row.disabled_reason } else { (!is).then(|| "manual".to_owned()) };
                    let update = sql(UPDATE)
                        .bind(id.to_string())
                        .bind(edit.url.unwrap_or(row.url))
                        .bind(edit.description.unwrap_or(row.description))
                        .bind(edit.kinds.as_ref().map_or(row.kinds, json))
                        .bind(is)
                        .bind(reason)
                        .bind(row.failing_since.filter(|_| kept))
                        .bind(now.millis());
                    tx.execute(update).await?;
                    if was && !is {
                        give_up(tx, &id.to_string(), "dead", now).await?;
                    }
                    finish(tx, id, now, Some(&before), act).await
                })
            })
            .await
    }

    /// Removes an endpoint and cancels what waits for it.
    ///
    /// # Errors
    /// [`NotifierError::UnknownEndpoint`], any [`DbError`] of a transaction.
    pub(crate) async fn delete_endpoint(
        &self,
        id: WebhookId,
        mut act: NewRecord,
    ) -> Result<(), NotifierError> {
        let now = self.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let before = match view(tx, id, now).await {
                        Ok(before) => before,
                        // Whoever has removed it may say so again.
                        Err(_) if audit::done_before(tx, &act, "").await? => return Ok(()),
                        Err(error) => return Err(error),
                    };
                    let own = id.to_string();
                    give_up(tx, &own, "cancelled", now).await?;
                    tx.execute(sql("DELETE FROM endpoint_secret WHERE endpoint = $1").bind(&own)).await?;
                    tx.execute(sql("DELETE FROM endpoint WHERE id = $1").bind(&own)).await?;
                    act.before_digest = digest(&before);
                    Ok(audit::append(tx, act).await?)
                })
            })
            .await
    }

    /// Gives an endpoint a new secret. The last one signs for `overlap` beside it, and so do older ones whose time is not
    /// over: the answer that told the last one may have been lost, and the receiver knows the one before.
    ///
    /// # Errors
    /// [`NotifierError::UnknownEndpoint`], any [`DbError`] of a transaction.
    pub(crate) async fn rotate_secret(
        &self,
        id: WebhookId,
        secret: Secret,
        overlap: Duration,
        act: NewRecord,
    ) -> Result<EndpointView, NotifierError> {
        const RETIRE: &str =
            "UPDATE endpoint_secret SET expires_at = $2 WHERE endpoint = $1 AND expires_at IS NULL";
        const FORGET: &str = "DELETE FROM endpoint_secret WHERE endpoint = $1 AND (expires_at <= $2 \
            OR secret NOT IN (SELECT secret FROM endpoint_secret WHERE endpoint = $1 \
            ORDER BY created_at DESC, expires_at DESC LIMIT $3))";
        let now = self.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let before = view(tx, id, now).await?;
                    let own = id.to_string();
                    tx.execute(sql(RETIRE).bind(&own).bind(now.plus(overlap).millis())).await?;
                    let forget = sql(FORGET).bind(&own).bind(now.millis()).bind(RETIRING_MAX);
                    tx.execute(forget).await?;
                    tx.execute(sql(ADD_SECRET).bind(&own).bind(secret.reveal()).bind(now.millis())).await?;
                    finish(tx, id, now, Some(&before), act).await
                })
            })
            .await
    }
}

/// Writes down what was done and answers what came of it.
async fn finish(
    tx: &mut Tx,
    id: WebhookId,
    now: Timestamp,
    before: Option<&EndpointView>,
    mut act: NewRecord,
) -> Result<EndpointView, NotifierError> {
    let after = view(tx, id, now).await?;
    act.before_digest = before.map(digest).unwrap_or_default();
    act.after_digest = digest(&after);
    audit::append(tx, act).await?;
    Ok(after)
}

async fn view(tx: &mut Tx, id: WebhookId, now: Timestamp) -> Result<EndpointView, NotifierError> {
    const SECRETS: &str = "SELECT endpoint, created_at, expires_at FROM endpoint_secret WHERE endpoint = $1 \
        AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at, expires_at";
    let row: Option<EndpointRow> =
        tx.fetch_optional(sql(select_endpoint!("WHERE id = $1")).bind(id.to_string())).await?;
    let row = row.ok_or(NotifierError::UnknownEndpoint)?;
    let secrets = tx.fetch_all(sql(SECRETS).bind(id.to_string()).bind(now.millis())).await?;
    Ok(EndpointView { row, secrets })
}

/// A digest of what staff decides about an endpoint; what happens to it by itself is left out, and so are its secrets.
fn digest(view: &EndpointView) -> String {
    let row = &view.row;
    let secrets: Vec<_> = view.secrets.iter().map(|secret| (secret.created_at, secret.expires_at)).collect();
    let text = serde_json::json!([row.url, row.description, row.kinds, row.enabled, secrets]).to_string();
    audit::digest(&text)
}

fn json(filter: &Kinds) -> String {
    // A list of texts is always JSON.
    serde_json::to_string(filter).unwrap_or_else(|_| "[]".to_owned())
}

impl EndpointView {
    /// What it wants.
    pub(crate) fn kinds(&self) -> Kinds {
        kinds(&self.row.kinds)
    }
}
