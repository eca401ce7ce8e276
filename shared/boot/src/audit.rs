//! The audit log of a part: records made from the running call, and the RPC that reads them back.

use serde_json::Value;
use switchboard_db::{
    Db, DbError,
    audit::{self, NewRecord, Query},
};
use switchboard_domain::{Clock, ErrorKind, Failure, limits::PAGE_MAX};
use switchboard_mesh::{CallContext, Fail, reply};
use switchboard_proto::audit::v1::{
    ListRequest, ListResponse, Record, VerifyRequest, VerifyResponse,
    audit_service_server::{AuditService, AuditServiceServer},
};
use tonic::{Request, Response, Status};

/// Most records that one call checks.
const VERIFY_MAX: i64 = 10_000;

/// A record of what the running call does: actor, address and request are the call's. `before` and `after` are the object
/// as canonical JSON; only their digests are kept. `action` is what is done, as `noun.verb`, the verb in the infinitive:
/// `agent.update`, not `agent.updated`.
pub fn record(
    clock: &dyn Clock,
    action: &str,
    object: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    detail: &Value,
) -> NewRecord {
    debug_assert!(is_action(action), "{action} is not `noun.verb` with an infinitive");
    let context = CallContext::current();
    let digest =
        |value: Option<&Value>| value.map(|value| audit::digest(&value.to_string())).unwrap_or_default();
    NewRecord {
        at: clock.now().millis(),
        actor: context.as_ref().map(|context| actor(&context.principal)).unwrap_or_default(),
        on_behalf_of: String::new(),
        action: action.to_owned(),
        object: object.to_owned(),
        before_digest: digest(before),
        after_digest: digest(after),
        detail: detail.to_string(),
        ip: context.as_ref().and_then(|context| context.client).map(|ip| ip.to_string()).unwrap_or_default(),
        request_id: context.map(|context| context.request.to_string()).unwrap_or_default(),
    }
}

/// Whether this names an action: words of `a-z` joined by `_` around one full stop, no participle among those of the verb.
fn is_action(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    name.split_once('.').is_some_and(|(noun, verb)| {
        noun.split('_').all(is_word) && verb.split('_').all(|word| is_word(word) && !word.ends_with("ed"))
    })
}

/// The actor without what he may do: the same person stays the same.
fn actor(principal: &switchboard_domain::Principal) -> String {
    principal.agent().map_or_else(|| principal.to_string(), |id| format!("agent:{id}"))
}

/// Answers [`AuditService`] from the tables of one part.
#[derive(Debug, Clone)]
pub struct Auditing {
    db: Db,
}

impl Auditing {
    /// Over a database that has the tables.
    pub fn server(db: Db) -> AuditServiceServer<Self> {
        AuditServiceServer::new(Self { db })
    }

    async fn list(&self, request: ListRequest) -> Result<ListResponse, AuditError> {
        let limit = usize::try_from(request.limit).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let query = Query {
            before_seq: request.before_seq,
            since: request.since_ms,
            until: request.until_ms,
            actor: request.actor,
            action: request.action,
            object: request.object,
            // One more than asked for tells whether there is more.
            limit: i64::try_from(limit + 1).unwrap_or(i64::MAX),
        };
        let mut records = audit::list(&self.db, &query).await?;
        let has_more = records.len() > limit;
        records.truncate(limit);
        Ok(ListResponse { records: records.into_iter().map(told).collect(), has_more })
    }

    async fn verify(&self, request: VerifyRequest) -> Result<VerifyResponse, AuditError> {
        let limit = if request.limit == 0 { VERIFY_MAX } else { i64::from(request.limit).min(VERIFY_MAX) };
        let found = audit::verify(&self.db, request.from_seq, limit).await?;
        Ok(VerifyResponse {
            broken_seq: found.broken,
            next_seq: found.next,
            head_seq: found.head.0,
            head_hash: found.head.1,
        })
    }
}

fn told(record: audit::Record) -> Record {
    Record {
        seq: record.seq,
        at_ms: record.at,
        actor: record.actor,
        on_behalf_of: record.on_behalf_of,
        action: record.action,
        object: record.object,
        before_digest: record.before_digest,
        after_digest: record.after_digest,
        detail_json: record.detail,
        ip: record.ip,
        request_id: record.request_id,
        hash: record.hash,
    }
}

#[tonic::async_trait]
impl AuditService for Auditing {
    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        reply(self.list(request.into_inner())).await
    }

    async fn verify(&self, request: Request<VerifyRequest>) -> Result<Response<VerifyResponse>, Status> {
        reply(self.verify(request.into_inner())).await
    }
}

/// The log cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be read")]
struct AuditError(#[from] DbError);

impl Fail for AuditError {
    fn failure(&self) -> Failure {
        Failure::new(ErrorKind::Unavailable, "STORE_UNAVAILABLE", "the store cannot be reached")
    }
}

#[cfg(test)]
mod tests {
    use super::is_action;

    #[test]
    fn actions_are_a_noun_and_an_infinitive() {
        for good in ["agent.update", "agent.change_password", "quick_reply.edit", "login.end_all"] {
            assert!(is_action(good), "{good}");
        }
        for bad in
            ["agent.updated", "agent.password_changed", "login.ended_all", "update", "agent.", "a.b.c", "a.B"]
        {
            assert!(!is_action(bad), "{bad}");
        }
    }
}
