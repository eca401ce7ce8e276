//! Two policies over many sessions.

use super::{
    Ask,
    past::Past,
    queue::{median, simulate},
    replay::{Point, first_escalation},
    report::{ByRule, Case, Cases, Escalated, Policy, Queues, Report},
};
use crate::document::{Version, hex};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use switchboard_domain::regulation::RuleId;

/// What the log says when the customer himself asked for a human.
const ASKED: &str = "manual";

/// Gathers sessions, in any order.
#[derive(Debug)]
pub(crate) struct Comparison {
    ask: Ask,
    excerpt_chars: usize,
    /// By name: the order of arrival does not matter.
    sessions: BTreeMap<String, Compared>,
}

#[derive(Debug)]
struct Compared {
    base: Option<Point>,
    draft: Option<Point>,
    /// When the customer pressed the button for the first time.
    asked: Option<i64>,
    on_record: bool,
    served: Vec<i64>,
    turns: u64,
    cut: bool,
    digest: [u8; 32],
}

impl Comparison {
    pub(crate) fn new(ask: Ask, excerpt_chars: usize) -> Self {
        Self { ask, excerpt_chars, sessions: BTreeMap::new() }
    }

    /// Replays one session through both policies.
    pub(crate) fn add(&mut self, past: &Past) {
        let (mut turns, span) = ([0, 0], self.ask.span());
        let base = first_escalation(&self.ask.base.rules, past, &span, self.excerpt_chars, &mut turns[0]);
        let draft = first_escalation(&self.ask.draft.rules, past, &span, self.excerpt_chars, &mut turns[1]);
        let ended = || past.episodes.iter().filter(|stretch| span.contains(&stretch.ended_at));
        let asked = ended().find(|stretch| stretch.ended_by == ASKED);
        let compared = Compared {
            base,
            draft,
            asked: asked.map(|stretch| stretch.ended_at),
            on_record: ended().any(|stretch| !stretch.ended_by.is_empty()),
            served: past.served.clone(),
            turns: turns[0].max(turns[1]),
            cut: past.cut,
            digest: past.digest(),
        };
        self.sessions.insert(past.session.clone(), compared);
    }

    /// Tells what is different, with at most `max_cases` in each list. `handling` is how long an agent takes where neither
    /// the question nor the past tells.
    pub(crate) fn into_report(self, max_cases: usize, handling: i64) -> Report {
        let Self { ask, sessions, .. } = self;
        let served = sessions.values().flat_map(|session| session.served.iter().copied()).collect();
        let (handling_ms, handling_from) = match (ask.handling, median(served)) {
            (Some(given), _) => (given, "given"),
            (None, Some(median)) if median > 0 => (median, "median"),
            (None, _) => (handling, "default"),
        };
        let queue = |policy: fn(&Compared) -> Option<&Point>| {
            simulate(&arrivals(&sessions, policy), ask.agents, handling_ms)
        };
        let queue = Queues {
            agents: ask.agents,
            handling_ms,
            handling_from,
            base: queue(|session| session.base.as_ref()),
            draft: queue(|session| session.draft.as_ref()),
        };
        let count =
            |is: fn(&Compared) -> bool| number(sessions.values().filter(|session| is(session)).count());
        let mut report = Report {
            base: policy(&ask.base),
            draft: policy(&ask.draft),
            since_ms: ask.since,
            until_ms: ask.until,
            sessions: number(sessions.len()),
            turns: sessions.values().map(|session| session.turns).sum(),
            cut: count(|session| session.cut),
            limited: sessions.len() >= ask.limit as usize,
            escalated: Escalated {
                base: count(|session| session.base.is_some()),
                draft: count(|session| session.draft.is_some()),
                on_record: count(|session| session.on_record),
            },
            by_rule: by_rule(&sessions),
            newly_escalated: Cases::default(),
            no_longer_escalated: Cases::default(),
            earlier: Cases::default(),
            later: Cases::default(),
            other_rule: Cases::default(),
            queue,
            input_digest: input_digest(&sessions),
        };
        for (name, session) in sessions {
            report.note(name, session.base, session.draft);
        }
        for cases in report.lists() {
            cases
                .cases
                .sort_by(|one, other| when(one).cmp(&when(other)).then(one.session.cmp(&other.session)));
            cases.cases.truncate(max_cases);
        }
        report
    }
}

impl Report {
    fn note(&mut self, session: String, base: Option<Point>, draft: Option<Point>) {
        let cases = match (&base, &draft) {
            (None, None) => return,
            (None, Some(_)) => &mut self.newly_escalated,
            (Some(_), None) => &mut self.no_longer_escalated,
            (Some(base), Some(draft)) => match draft.order().cmp(&base.order()) {
                std::cmp::Ordering::Less => &mut self.earlier,
                std::cmp::Ordering::Greater => &mut self.later,
                std::cmp::Ordering::Equal if base.rule != draft.rule => &mut self.other_rule,
                std::cmp::Ordering::Equal => return,
            },
        };
        cases.count += 1;
        cases.cases.push(Case { session, base: base.map(Into::into), draft: draft.map(Into::into) });
    }

    fn lists(&mut self) -> [&mut Cases; 5] {
        [
            &mut self.newly_escalated,
            &mut self.no_longer_escalated,
            &mut self.earlier,
            &mut self.later,
            &mut self.other_rule,
        ]
    }
}

fn when(case: &Case) -> i64 {
    case.draft.as_ref().or(case.base.as_ref()).map_or(0, |call| call.at_ms)
}

fn policy(version: &Version) -> Policy {
    Policy { version: version.rules.version.to_string(), digest: version.digest.clone() }
}

/// When customers are handed over under a policy, in the order of time. Who presses the button does so under any policy
/// that has not called a human before.
fn arrivals(sessions: &BTreeMap<String, Compared>, policy: fn(&Compared) -> Option<&Point>) -> Vec<i64> {
    let arrival = |session: &Compared| match (policy(session), session.asked) {
        (Some(point), Some(asked)) => Some(point.at.min(asked)),
        (Some(point), None) => Some(point.at),
        (None, asked) => asked,
    };
    let mut arrivals: Vec<i64> = sessions.values().filter_map(arrival).collect();
    arrivals.sort_unstable();
    arrivals
}

fn by_rule(sessions: &BTreeMap<String, Compared>) -> Vec<ByRule> {
    let count = |rule: RuleId, policy: fn(&Compared) -> Option<&Point>| {
        number(sessions.values().filter_map(policy).filter(|point| point.rule == rule).count())
    };
    let line = |rule| ByRule {
        rule,
        base: count(rule, |session| session.base.as_ref()),
        draft: count(rule, |session| session.draft.as_ref()),
    };
    RuleId::ALL.into_iter().map(line).collect()
}

fn input_digest(sessions: &BTreeMap<String, Compared>) -> String {
    let mut hasher = Sha256::new();
    for session in sessions.values() {
        hasher.update(session.digest);
    }
    hex(&hasher.finalize())
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
