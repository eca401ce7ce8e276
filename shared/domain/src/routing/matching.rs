//! The choice of an agent for a session, with its explanation.

use super::{Availability, LANGUAGE_NEED, Skill};
use crate::{AgentId, Timestamp};
use serde::Serialize;
use std::{cmp::Reverse, time::Duration};

/// An agent who might serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The account.
    pub id: AgentId,
    /// The name that colleagues see.
    pub name: String,
    /// What the agent says of himself.
    pub status: Availability,
    /// Whether he counts as there: his presence was renewed in time.
    pub present: bool,
    /// Sessions that he owns.
    pub live: u32,
    /// Offers that wait for his answer.
    pub offered: u32,
    /// Sessions that he may have at once, offers included.
    pub max_sessions: u32,
    /// What he knows.
    pub skills: Vec<Skill>,
    /// When a session was last offered to him.
    pub offered_at: Option<Timestamp>,
}

/// What a session needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Names of skills, or `language:<tag>`. What none of those present knows is not needed: nobody waits for it.
    pub skills: Vec<String>,
    /// Who served it last.
    pub last_agent: Option<AgentId>,
    /// Agents who said no to it, or did not answer, a short while ago.
    pub refused: Vec<AgentId>,
}

/// What a shop can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// After so long a wait an agent without the skills will do. Languages stay wanted but no longer needed, too.
    pub relax_after: Duration,
    /// For so long the agent who served the session last comes first.
    pub sticky_for: Duration,
}

/// Why an agent cannot have a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Is not there.
    Absent,
    /// Is there and takes nothing.
    Unavailable,
    /// Has as many as he may.
    Full,
    /// Does not know what is needed.
    Unskilled,
    /// Said no, or did not answer, a short while ago.
    Refused,
}

/// What the order of agents rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scores {
    /// Served this customer last, and the customer waits for a short time only.
    pub sticky: bool,
    /// The sum over the needs of how well the agent knows each.
    pub skill: u32,
    /// Sessions and offers, in parts per million of what the agent may have.
    pub load_ppm: u64,
    /// When a session was last offered, ms since the Unix epoch; 0: never.
    pub offered_at_ms: i64,
}

impl Scores {
    /// The smaller one is better.
    fn order(&self) -> impl Ord + use<> {
        (Reverse(self.sticky), Reverse(self.skill), self.load_ppm, self.offered_at_ms)
    }
}

/// One agent as the choice saw him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scored {
    /// The account.
    pub agent: AgentId,
    /// The name that colleagues see.
    pub name: String,
    /// Why he cannot have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Exclusion>,
    /// How he compares.
    pub scores: Scores,
}

/// The choice and its explanation; as JSON it is stored with the offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ranking {
    /// Who gets it.
    pub chosen: Option<AgentId>,
    /// What decided: `sticky`, `skill`, `load`, `turn` (least recently offered), `only`, or `nobody`.
    pub reason: &'static str,
    /// What the session needs.
    pub needs: Vec<String>,
    /// Of these, what none of those present knows.
    pub unknown: Vec<String>,
    /// Whether the needs were dropped because of the wait.
    pub relaxed: bool,
    /// How long it waits.
    pub waited_ms: u64,
    /// Everybody who was looked at: who can, the best first, then who cannot.
    pub candidates: Vec<Scored>,
}

/// Chooses among `candidates` the agent for a session that has waited for `waited`: present, online, with room and with
/// the skills; then whoever served it last, the best skilled, the least busy, the least recently asked, the smallest id.
pub fn match_agent(needs: &Needs, candidates: &[Candidate], waited: Duration, settings: Settings) -> Ranking {
    let relaxed = is_relaxed(&needs.skills, waited, settings);
    let (wanted, unknown) = split(&needs.skills, candidates);
    let required: &[&String] = if relaxed { &[] } else { &wanted };
    let sticky = needs.last_agent.filter(|_| waited < settings.sticky_for);
    let mut scored: Vec<Scored> = candidates
        .iter()
        .map(|candidate| Scored {
            agent: candidate.id,
            name: candidate.name.clone(),
            excluded: candidate.excluded(&needs.refused, required),
            scores: candidate.scores(needs, sticky),
        })
        .collect();
    scored.sort_by_key(|one| (one.excluded.is_some(), one.scores.order(), one.agent.to_string()));
    let chosen = scored.first().filter(|one| one.excluded.is_none()).map(|one| one.agent);
    Ranking {
        chosen,
        reason: reason(&scored),
        needs: needs.skills.clone(),
        unknown: unknown.into_iter().cloned().collect(),
        relaxed,
        waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        candidates: scored,
    }
}

/// How many of `candidates` serve sessions that need `skills`, now or when they are done with what they have: those whom
/// [`match_agent`] would choose from if nobody were full or had refused.
pub fn servers(skills: &[String], candidates: &[Candidate], waited: Duration, settings: Settings) -> usize {
    let (wanted, _) = split(skills, candidates);
    let required: &[&String] = if is_relaxed(skills, waited, settings) { &[] } else { &wanted };
    let serves = |one: &&Candidate| {
        one.present
            && one.status == Availability::Online
            && one.max_sessions > 0
            && required.iter().all(|need| one.knows(need))
    };
    candidates.iter().filter(serves).count()
}

/// Whether somebody has waited long enough for agents without the skills.
fn is_relaxed(skills: &[String], waited: Duration, settings: Settings) -> bool {
    !skills.is_empty() && waited >= settings.relax_after
}

/// What somebody who is present knows, and what nobody does.
fn split<'s>(skills: &'s [String], candidates: &[Candidate]) -> (Vec<&'s String>, Vec<&'s String>) {
    skills.iter().partition(|need| candidates.iter().any(|one| one.present && one.knows(need)))
}

/// The first score in which the best is better than the second.
fn reason(scored: &[Scored]) -> &'static str {
    let mut able = scored.iter().filter(|one| one.excluded.is_none()).map(|one| one.scores);
    match (able.next(), able.next()) {
        (None, _) => "nobody",
        (Some(best), _) if best.sticky => "sticky",
        (Some(_), None) => "only",
        (Some(best), Some(next)) if best.skill != next.skill => "skill",
        (Some(best), Some(next)) if best.load_ppm != next.load_ppm => "load",
        (Some(_), Some(_)) => "turn",
    }
}

// === impl Candidate ===

impl Candidate {
    fn knows(&self, need: &str) -> bool {
        self.skills.iter().any(|skill| skill.covers(need))
    }

    fn excluded(&self, refused: &[AgentId], required: &[&String]) -> Option<Exclusion> {
        if !self.present {
            Some(Exclusion::Absent)
        } else if self.status != Availability::Online {
            Some(Exclusion::Unavailable)
        } else if self.live.saturating_add(self.offered) >= self.max_sessions {
            Some(Exclusion::Full)
        } else if refused.contains(&self.id) {
            Some(Exclusion::Refused)
        } else if !required.iter().all(|need| self.knows(need)) {
            Some(Exclusion::Unskilled)
        } else {
            None
        }
    }

    fn scores(&self, needs: &Needs, sticky: Option<AgentId>) -> Scores {
        let best = |need: &String| {
            let weights =
                self.skills.iter().filter(|skill| skill.covers(need)).map(|skill| skill.level.weight());
            // Who speaks a language well does not answer better.
            weights.max().map(|weight| if need.starts_with(LANGUAGE_NEED) { 1 } else { weight })
        };
        let load = u64::from(self.live) + u64::from(self.offered);
        Scores {
            sticky: sticky == Some(self.id),
            skill: needs.skills.iter().filter_map(best).sum(),
            load_ppm: load * 1_000_000 / u64::from(self.max_sessions.max(1)),
            offered_at_ms: self.offered_at.map_or(0, Timestamp::millis),
        }
    }
}
