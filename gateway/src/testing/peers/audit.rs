//! The log of one part.

use super::{FakeAudit, login::Answer};
use switchboard_proto::audit::v1 as wire;
use tonic::{Request, Response};

/// Records that one `verify` looks at.
const STEP: i64 = 2;

#[tonic::async_trait]
impl wire::audit_service_server::AuditService for FakeAudit {
    async fn list(&self, request: Request<wire::ListRequest>) -> Answer<wire::ListResponse> {
        let asked = request.into_inner();
        let chain = self.0.audit.lock().get(&self.1).cloned().unwrap_or_default();
        let fits = |record: &wire::Record| {
            asked.before_seq.is_none_or(|before| record.seq < before)
                && asked.since_ms.is_none_or(|since| record.at_ms >= since)
                && asked.until_ms.is_none_or(|until| record.at_ms < until)
                && (asked.actor.is_empty() || record.actor == asked.actor)
        };
        let mut records: Vec<wire::Record> = chain.into_iter().rev().filter(fits).collect();
        let limit = usize::try_from(asked.limit).unwrap();
        let has_more = records.len() > limit;
        records.truncate(limit);
        Ok(Response::new(wire::ListResponse { records, has_more }))
    }

    async fn verify(&self, request: Request<wire::VerifyRequest>) -> Answer<wire::VerifyResponse> {
        let from = request.into_inner().from_seq.max(1);
        let chain = self.0.audit.lock().get(&self.1).cloned().unwrap_or_default();
        let head = chain.last().cloned().unwrap_or_default();
        let looked = chain.iter().filter(|record| (from..from + STEP).contains(&record.seq));
        let broken = looked.into_iter().find(|record| record.hash == "broken").map(|record| record.seq);
        Ok(Response::new(wire::VerifyResponse {
            broken_seq: broken,
            next_seq: Some(from + STEP).filter(|next| *next <= head.seq),
            head_seq: head.seq,
            head_hash: head.hash,
        }))
    }
}
