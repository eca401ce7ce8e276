//! What agents work with beside the conversation: quick replies, customers' profiles, questions among colleagues.

mod read;

use crate::{
    caller::{acting, caller, principal},
    error::SessionError,
    store::{Store, replies::ReplyFilter},
    wire as session_wire,
};
use std::collections::BTreeMap;
use switchboard_domain::{
    AgentId, ErrorKind, Failure, Permission, ReplyId, Session, Timestamp, entry::AgentRef, hours::Calendar,
    quick_reply::fill, session::DEFAULT_QUEUE,
};
use switchboard_mesh::reply;
use switchboard_proto::session::v1::{self as wire, tools_service_server::ToolsService};
use tonic::{Request, Response, Status};

/// Most used replies in the statistics.
const MOST_USED: i64 = 10;

/// Answers [`ToolsService`].
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    store: Store,
}

impl Tools {
    /// Over an open store.
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    async fn list_replies(
        &self,
        request: wire::ListRepliesRequest,
    ) -> Result<wire::ListRepliesResponse, SessionError> {
        let (reader, all) = reader()?;
        let filter = ReplyFilter {
            reader,
            all,
            category: read::category_or_any(&request.category)?,
            owner: read::agent_or_any(&request.owner)?,
            include_shared: request.include_shared,
            keyword: read::keyword(request.keyword)?,
            limit: read::limit(request.limit),
            offset: i64::from(request.offset),
        };
        let (rows, total) = self.store.replies(filter).await?;
        Ok(wire::ListRepliesResponse { replies: rows.into_iter().map(read::reply).collect(), total })
    }

    async fn put_reply(&self, request: wire::PutReplyRequest) -> Result<wire::ReplyResponse, SessionError> {
        let (by, any) = reader()?;
        let owner = acting(request.agent.clone())?;
        let id = request.id.clone();
        let key = session_wire::repeatable(request.idempotency.clone())?;
        let edit = read::reply_edit(request)?;
        let row = if id.is_empty() {
            self.store.make_reply(owner, read::complete(edit)?, key).await?
        } else {
            self.store.edit_reply(read::reply_id(&id)?, by, any, edit).await?
        };
        Ok(wire::ReplyResponse { reply: Some(read::reply(row)) })
    }

    async fn use_reply(
        &self,
        request: wire::UseReplyRequest,
    ) -> Result<wire::UseReplyResponse, SessionError> {
        let (by, all) = reader()?;
        if !request.session.is_empty() && !principal().may(Permission::SessionsRead) {
            return Err(may_not_read().into());
        }
        let id: ReplyId = read::reply_id(&request.id)?;
        let agent = acting(request.agent)?;
        let row = self.store.reply(id, by, all).await?;
        let mut values = BTreeMap::new();
        let mut queue = DEFAULT_QUEUE.to_owned();
        if !request.session.is_empty() {
            let name = session_wire::name(&request.session)?;
            let (session, noted) = self.store.customer(&name).await?;
            values.extend(noted.attributes);
            values.extend(known(&session));
            queue = session.desk.queue;
        }
        let hours = self.store.hours.current().await?;
        values.extend(present(&agent, hours.hours.calendar(&queue), self.store.clock.now()));
        values.extend(read::values(request.values)?);
        let (text, replaced) = fill(&row.content, |name| values.get(name).map(String::as_str));
        self.store.count_use(id, by, session_wire::repeatable(request.idempotency)?).await?;
        let row = self.store.reply(id, by, all).await?;
        Ok(wire::UseReplyResponse {
            reply: Some(read::reply(row)),
            text,
            replaced: replaced.into_iter().collect(),
        })
    }

    async fn reply_stats(&self) -> Result<wire::GetReplyStatsResponse, SessionError> {
        let stats = self.store.reply_stats(MOST_USED).await?;
        Ok(wire::GetReplyStatsResponse {
            total: stats.total,
            total_used: stats.used,
            by_category: stats.by_category.into_iter().collect(),
            most_used: stats.most_used.into_iter().map(read::reply).collect(),
        })
    }

    async fn profile(&self, session: &str) -> Result<wire::ProfileResponse, SessionError> {
        let (session, noted) = self.store.customer(&session_wire::name(session)?).await?;
        Ok(wire::ProfileResponse { profile: Some(read::profile(&session, noted)) })
    }

    async fn edit_profile(
        &self,
        request: wire::EditProfileRequest,
    ) -> Result<wire::ProfileResponse, SessionError> {
        let by = caller()?;
        let name = session_wire::name(&request.session)?;
        let (session, noted) = self.store.edit_customer(name, by, read::customer_edit(request)?).await?;
        Ok(wire::ProfileResponse { profile: Some(read::profile(&session, noted)) })
    }

    async fn ask(&self, request: wire::AskAssistRequest) -> Result<wire::AssistResponse, SessionError> {
        let requester = acting(request.requester)?;
        let session = session_wire::name(&request.session)?;
        let question = read::text(&request.question, read::QUESTION_MAX)?;
        let key = session_wire::repeatable(request.idempotency)?;
        let asked = self.store.ask_assist(session, requester, request.assistant, question, key).await?;
        Ok(wire::AssistResponse { assist: Some(read::assist(asked)) })
    }

    async fn answer(&self, request: wire::AnswerAssistRequest) -> Result<wire::AssistResponse, SessionError> {
        let by = caller()?;
        let answer = read::text(&request.answer, read::QUESTION_MAX)?;
        let answered = self.store.answer_assist(read::assist_id(&request.id)?, by, answer).await?;
        Ok(wire::AssistResponse { assist: Some(read::assist(answered)) })
    }

    async fn list_assists(
        &self,
        request: wire::ListAssistsRequest,
    ) -> Result<wire::ListAssistsResponse, SessionError> {
        let by = caller()?;
        let answered = read::assist_status(&request.status)?;
        let (received, sent, pending) = self.store.assists(by, answered, read::limit(request.limit)).await?;
        Ok(wire::ListAssistsResponse {
            received: received.into_iter().map(read::assist).collect(),
            sent: sent.into_iter().map(read::assist).collect(),
            received_pending: pending,
        })
    }
}

/// The calling agent, and whether he manages everybody's quick replies.
fn reader() -> Result<(AgentId, bool), SessionError> {
    Ok((caller()?, principal().may(Permission::RepliesManage)))
}

fn may_not_read() -> Failure {
    let told = "a customer's values need the permission sessions.read";
    Failure::new(ErrorKind::Forbidden, "PERMISSION_REQUIRED", told)
        .with("permission", Permission::SessionsRead.as_str())
}

/// What the session says of its customer, under the names of the contract.
fn known(session: &Session) -> Vec<(String, String)> {
    let nickname = session.profile.nickname.clone().map(|name| ("customer_name".to_owned(), name));
    let email = session.profile.email.clone().map(|email| ("customer_email".to_owned(), email));
    nickname.into_iter().chain(email).collect()
}

/// What is true at this moment, by the clock of the queue's hours.
fn present(agent: &AgentRef, hours: &Calendar, now: Timestamp) -> Vec<(String, String)> {
    let (date, time) = hours.local_date_and_time(now);
    [("agent_name", agent.name.clone()), ("current_date", date), ("current_time", time)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[tonic::async_trait]
impl ToolsService for Tools {
    async fn list_replies(
        &self,
        request: Request<wire::ListRepliesRequest>,
    ) -> Result<Response<wire::ListRepliesResponse>, Status> {
        reply(self.list_replies(request.into_inner())).await
    }

    async fn get_reply(
        &self,
        request: Request<wire::GetReplyRequest>,
    ) -> Result<Response<wire::ReplyResponse>, Status> {
        reply(async {
            let (by, all) = reader()?;
            let row = self.store.reply(read::reply_id(&request.get_ref().id)?, by, all).await?;
            Ok::<_, SessionError>(wire::ReplyResponse { reply: Some(read::reply(row)) })
        })
        .await
    }

    async fn put_reply(
        &self,
        request: Request<wire::PutReplyRequest>,
    ) -> Result<Response<wire::ReplyResponse>, Status> {
        reply(self.put_reply(request.into_inner())).await
    }

    async fn delete_reply(
        &self,
        request: Request<wire::DeleteReplyRequest>,
    ) -> Result<Response<wire::DeleteReplyResponse>, Status> {
        reply(async {
            let (by, any) = reader()?;
            self.store.delete_reply(read::reply_id(&request.get_ref().id)?, by, any).await?;
            Ok::<_, SessionError>(wire::DeleteReplyResponse {})
        })
        .await
    }

    async fn use_reply(
        &self,
        request: Request<wire::UseReplyRequest>,
    ) -> Result<Response<wire::UseReplyResponse>, Status> {
        reply(self.use_reply(request.into_inner())).await
    }

    async fn get_reply_stats(
        &self,
        _request: Request<wire::GetReplyStatsRequest>,
    ) -> Result<Response<wire::GetReplyStatsResponse>, Status> {
        reply(self.reply_stats()).await
    }

    async fn get_profile(
        &self,
        request: Request<wire::GetProfileRequest>,
    ) -> Result<Response<wire::ProfileResponse>, Status> {
        reply(self.profile(&request.get_ref().session)).await
    }

    async fn edit_profile(
        &self,
        request: Request<wire::EditProfileRequest>,
    ) -> Result<Response<wire::ProfileResponse>, Status> {
        reply(self.edit_profile(request.into_inner())).await
    }

    async fn ask_assist(
        &self,
        request: Request<wire::AskAssistRequest>,
    ) -> Result<Response<wire::AssistResponse>, Status> {
        reply(self.ask(request.into_inner())).await
    }

    async fn answer_assist(
        &self,
        request: Request<wire::AnswerAssistRequest>,
    ) -> Result<Response<wire::AssistResponse>, Status> {
        reply(self.answer(request.into_inner())).await
    }

    async fn list_assists(
        &self,
        request: Request<wire::ListAssistsRequest>,
    ) -> Result<Response<wire::ListAssistsResponse>, Status> {
        reply(self.list_assists(request.into_inner())).await
    }
}
