//! Requests of the wire, parsed; what the store gives, as replies.

use crate::{
    error::SessionError,
    store::{
        Store,
        find::{Order, Place, Query},
        roster::RosterLine,
        stats::{Numbers, mean, share},
        summaries::Listed,
        tally::rank,
    },
};
use std::collections::HashMap;
use switchboard_domain::{
    AgentId, Status, Timestamp,
    entry::AgentRef,
    limits::{HISTORY_TAIL, PAGE_MAX},
    routing::{Priority, Skill},
};
use switchboard_proto::{
    convert::{WireError, status_from_wire},
    session::v1 as wire,
};

/// Longest keyword, in characters.
const KEYWORD_MAX: usize = 100;
/// Deepest page for clients that page by numbers.
const OFFSET_MAX: u32 = 10_000;
const PPM: i64 = 1_000_000;

/// What is asked for, of sessions that `agent` owns.
pub(super) fn query(request: wire::FindRequest, agent: Option<AgentId>) -> Result<Query, SessionError> {
    let order = match request.order() {
        wire::find_request::Order::Unspecified => Order::Standard,
        wire::find_request::Order::Newest => Order::Newest,
        wire::find_request::Order::Oldest => Order::Oldest,
        wire::find_request::Order::Vip => Order::Vip,
        wire::find_request::Order::WaitTime => Order::WaitTime,
        wire::find_request::Order::Updated => Order::Updated,
    };
    let status = request.status.map(|number| status_from_wire(number, "status")).transpose()?;
    let after = if request.page_token.is_empty() {
        None
    } else {
        Some(Place::parse(&request.page_token, order).ok_or(WireError::new("page_token"))?)
    };
    let keyword = request.keyword.trim().to_lowercase();
    for (is_wrong, field) in [
        (keyword.chars().count() > KEYWORD_MAX, "keyword"),
        (request.offset > OFFSET_MAX || (request.offset > 0 && after.is_some()), "offset"),
        (request.unassigned && agent.is_some(), "unassigned"),
    ] {
        if is_wrong {
            return Err(WireError::new(field).into());
        }
    }
    Ok(Query {
        status,
        agent,
        unassigned: request.unassigned,
        vip: request.vip,
        since: request.created_since_ms,
        until: request.created_until_ms,
        keyword,
        tag: request.tag.filter(|tag| !tag.is_empty()),
        order,
        limit: if request.limit == 0 { HISTORY_TAIL } else { (request.limit as usize).min(PAGE_MAX) },
        offset: request.offset as usize,
        after,
    })
}

pub(super) fn summary(store: &Store, listed: &Listed, now: Timestamp) -> wire::Summary {
    wire::Summary {
        session: Some((&listed.session).into()),
        last_message: listed.last_message.as_ref().map(Into::into),
        priority: store.priority(&listed.session, now).map(priority),
    }
}

pub(super) fn place(
    store: &Store,
    position: u32,
    listed: &Listed,
    offered: &HashMap<String, AgentRef>,
    estimated_wait_ms: Option<i64>,
    now: Timestamp,
) -> wire::get_queue_response::Place {
    wire::get_queue_response::Place {
        position,
        summary: Some(summary(store, listed, now)),
        estimated_wait_ms,
        offered_to: offered.get(listed.session.name.as_str()).map(Into::into),
    }
}

pub(crate) fn priority(priority: Priority) -> wire::Priority {
    wire::Priority {
        level: priority.level.as_str().to_owned(),
        vip: priority.vip,
        wait_ms: i64::try_from(priority.wait.as_millis()).unwrap_or(i64::MAX),
        timeout: priority.timeout,
        repeat: priority.repeat,
        urgent_words: priority.urgent_words,
    }
}

pub(super) fn stats(numbers: Numbers) -> wire::GetStatsResponse {
    let (begun, ended, turns) = (numbers.begun, numbers.ended, numbers.turns);
    let of = |status: Status| {
        let count = |vip| usize::try_from(rank(status, vip)).ok().and_then(|rank| numbers.ranks.get(rank));
        count(false).copied().unwrap_or_default() + count(true).copied().unwrap_or_default()
    };
    let total: i64 = numbers.ranks.iter().sum();
    wire::GetStatsResponse {
        total_sessions: total,
        by_status: Status::ALL.into_iter().map(|status| (status.to_string(), of(status))).collect(),
        active_sessions: total - of(Status::Closed),
        mean_wait_ms: numbers.queue.mean_wait_ms,
        max_wait_ms: numbers.queue.max_wait_ms,
        mean_service_ms: numbers.live.mean_service_ms,
        active_agents: numbers.live.agents,
        by_reason: numbers.by_reason.into_iter().collect(),
        today: Some(wire::get_stats_response::Today {
            escalations: begun.calls,
            waiting: begun.waiting,
            serving: begun.serving,
            served: ended.served,
            after_hours: begun.after_hours,
        }),
        ai: Some(wire::get_stats_response::AiQuality {
            mean_answer_ms: mean(turns.answer_ms, turns.done),
            success_ppm: share(turns.done, turns.ended, PPM),
            escalation_ppm: share(turns.handed_over, turns.ended, PPM),
            mean_messages_before_escalation_milli: share(begun.messages, begun.calls, 1000),
        }),
        agents: Some(wire::get_stats_response::AgentEfficiency {
            mean_takeover_ms: mean(begun.waited, begun.taken),
            mean_service_ms: mean(ended.service_ms, ended.services),
            resolution_ppm: share(ended.resolved, ended.served, PPM),
            sessions_per_agent_milli: share(begun.services, begun.agents, 1000),
        }),
    }
}

pub(super) fn roster_line(line: wire::RosterLine) -> Result<RosterLine, SessionError> {
    let skills: Result<Vec<Skill>, WireError> = line
        .skills
        .into_iter()
        .map(|skill| {
            let level = skill.level.parse().map_err(|_| WireError::new("skill.level"))?;
            Ok(Skill { category: skill.category, level, tags: skill.tags })
        })
        .collect();
    Ok(RosterLine {
        agent: AgentRef {
            id: AgentId::parse(&line.id).map_err(|_| WireError::new("roster.id"))?,
            name: line.name,
        },
        username: line.username,
        status: line.status.parse().map_err(|_| WireError::new("roster.status"))?,
        max_sessions: line.max_sessions,
        skills: skills?,
        lease_until: Timestamp::from_millis(line.lease_until_ms.max(0)),
        version: line.version,
        serves: line.serves,
        deleted: line.deleted,
        offered_at: None,
    })
}
