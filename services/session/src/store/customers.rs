//! Customers: what the session knows of them and what agents noted.

use super::{Store, traceparent, unit::Unit};
use crate::error::SessionError;
use serde_json::json;
use std::collections::BTreeMap;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, sql};
use switchboard_domain::{AgentId, ErrorKind, Failure, Language, Session, SessionName};

/// Most attributes of one customer.
const ATTRIBUTES_MAX: usize = 40;

/// What agents noted; all empty where nobody did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) remark: String,
    pub(crate) version: i64,
}

/// What is to be noted; `None` leaves what is there. An empty nickname or address removes it, so does an attribute's
/// empty value.
#[derive(Debug, Clone, Default)]
pub(crate) struct CustomerEdit {
    pub(crate) nickname: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) language: Option<Language>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) remark: Option<String>,
    /// The version that was read; 0: whatever it is.
    pub(crate) expected: i64,
}

#[derive(sqlx::FromRow)]
struct CustomerRow {
    attributes: String,
    remark: String,
    version: i64,
}

impl CustomerRow {
    fn into_noted(self) -> Result<Noted, SessionError> {
        let attributes = serde_json::from_str(&self.attributes)
            .map_err(|_| SessionError::Corrupt { table: "customer" })?;
        Ok(Noted { attributes, remark: self.remark, version: self.version })
    }
}

const GET: &str = "SELECT attributes, remark, version FROM customer WHERE session = $1";

impl Store {
    /// What is known of a session's customer.
    pub(crate) async fn customer(&self, name: &SessionName) -> Result<(Session, Noted), SessionError> {
        let session = self.session(name).await?;
        Ok((session, self.noted(name).await?))
    }

    /// What agents noted of a session's customer.
    pub(crate) async fn noted(&self, name: &SessionName) -> Result<Noted, SessionError> {
        let found: Option<CustomerRow> = self.db.fetch_optional(sql(GET).bind(name.as_str())).await?;
        Ok(found.map(CustomerRow::into_noted).transpose()?.unwrap_or_default())
    }

    /// Notes what an agent learned.
    pub(crate) async fn edit_customer(
        &self,
        name: SessionName,
        by: AgentId,
        edit: CustomerEdit,
    ) -> Result<(Session, Noted), SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        let log = record(&*self.clock, "customer.edit", name.as_str(), None, None, &json!({}));
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(&mut *tx, store, &name, trace).await?;
                    let before = noted(unit.tx, &name).await?;
                    let (before_digest, expected) = (digest(&unit.session, &before), edit.expected);
                    let after = edited(&mut unit.session, &before, edit)?;
                    // What is there already is no change: the same call again is answered like the first.
                    if digest(&unit.session, &after) == before_digest {
                        return Ok((unit.session, before));
                    }
                    if expected != 0 && expected != before.version {
                        return Err(stale(before.version));
                    }
                    put(unit.tx, &name, by, unit.now.millis(), &after).await?;
                    let after_digest = digest(&unit.session, &after);
                    let log = audit::NewRecord { before_digest, after_digest, ..log };
                    unit.quiet = true;
                    let session = unit.save().await?.session;
                    audit::append(tx, log).await?;
                    Ok((session, after))
                })
            })
            .await
    }
}

async fn noted(tx: &mut Tx, name: &SessionName) -> Result<Noted, SessionError> {
    let found: Option<CustomerRow> = tx.fetch_optional(sql(GET).bind(name.as_str())).await?;
    Ok(found.map(CustomerRow::into_noted).transpose()?.unwrap_or_default())
}

async fn put(
    tx: &mut Tx,
    name: &SessionName,
    by: AgentId,
    now: i64,
    after: &Noted,
) -> Result<(), SessionError> {
    const PUT: &str = "INSERT INTO customer (session, attributes, remark, version, edited_by, edited_at) \
                       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (session) DO UPDATE SET \
                       attributes = excluded.attributes, remark = excluded.remark, version = excluded.version, \
                       edited_by = excluded.edited_by, edited_at = excluded.edited_at";
    let put = sql(PUT)
        .bind(name.as_str())
        .bind(json!(after.attributes).to_string())
        .bind(after.remark.as_str())
        .bind(after.version)
        .bind(by.to_string())
        .bind(now);
    tx.execute(put).await?;
    Ok(())
}

fn edited(session: &mut Session, before: &Noted, edit: CustomerEdit) -> Result<Noted, SessionError> {
    let profile = &mut session.profile;
    if let Some(nickname) = edit.nickname {
        profile.nickname = Some(nickname).filter(|text| !text.is_empty());
    }
    if let Some(email) = edit.email {
        profile.email = Some(email).filter(|text| !text.is_empty());
    }
    profile.language = edit.language.or(profile.language);
    let mut after = Noted { version: before.version + 1, ..before.clone() };
    for (key, value) in edit.attributes {
        if value.is_empty() {
            after.attributes.remove(&key)
        } else {
            after.attributes.insert(key, value)
        };
    }
    if after.attributes.len() > ATTRIBUTES_MAX {
        let told = format!("a customer has at most {ATTRIBUTES_MAX} attributes");
        return Err(Failure::new(ErrorKind::Invalid, "TOO_MANY_ATTRIBUTES", told)
            .with("max", ATTRIBUTES_MAX)
            .into());
    }
    if let Some(remark) = edit.remark {
        after.remark = remark;
    }
    Ok(after)
}

fn stale(version: i64) -> SessionError {
    Failure::new(ErrorKind::Conflict, "PROFILE_CHANGED", "客户资料已被他人修改，请刷新后重试")
        .with("version", version)
        .into()
}

fn digest(session: &Session, noted: &Noted) -> String {
    let profile = &session.profile;
    let whole = json!({
        "nickname": profile.nickname, "email": profile.email, "language": profile.language.map(Language::tag),
        "attributes": noted.attributes, "remark": noted.remark,
    });
    audit::digest(&whole.to_string())
}
