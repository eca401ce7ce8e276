//! One session under one set of rules: where would the first human have been called?

use super::past::{Past, Stretch, Who};
use std::ops::Range;
use switchboard_domain::{
    Timestamp,
    regulation::{Decision, Earlier, Episode, Phase, RuleId, Rules, Severity, Speaker, decide},
};

/// Where a human was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) at: i64,
    /// Which stretch of the bot, and which turn in it, both from 1.
    pub(crate) place: (usize, u32),
    pub(crate) phase: Phase,
    pub(crate) rule: RuleId,
    pub(crate) severity: Severity,
    pub(crate) evidence: Vec<String>,
    /// The message that led to it, or its beginning.
    pub(crate) excerpt: String,
}

impl Point {
    /// Its place in the session: an answer comes after its question.
    pub(crate) fn order(&self) -> (usize, u32, bool) {
        (self.place.0, self.place.1, self.phase == Phase::AfterAnswer)
    }
}

/// The first escalation of a session within a span; also counts the turns of it. What was said before is known to the
/// rules and calls nobody any more.
pub(crate) fn first_escalation(
    rules: &Rules,
    past: &Past,
    span: &Range<i64>,
    excerpt_chars: usize,
    turns: &mut u64,
) -> Option<Point> {
    let mut found = None;
    for (at, stretch) in past.episodes.iter().enumerate() {
        found = in_stretch(rules, past.vip, stretch, span, turns).map(|found| {
            let Found { turn, phase, at: when, decision, text } = found;
            // A decision that escalates names its rule and how urgent it is.
            let (rule, escalate) = (decision.rule?, decision.escalate?);
            Some(Point {
                at: when,
                place: (at + 1, turn),
                phase,
                rule,
                severity: escalate.severity,
                evidence: decision.evidence,
                excerpt: excerpt(text, excerpt_chars),
            })
        });
        if found.is_some() {
            break;
        }
    }
    found.flatten()
}

struct Found<'a> {
    turn: u32,
    phase: Phase,
    at: i64,
    decision: Decision,
    text: std::borrow::Cow<'a, str>,
}

fn in_stretch<'a>(
    rules: &Rules,
    vip: bool,
    stretch: &'a Stretch,
    span: &Range<i64>,
    turns: &mut u64,
) -> Option<Found<'a>> {
    let last = stretch.lines.iter().map(|line| line.turn).max().unwrap_or(0);
    let (mut earlier, mut ai_failures): (Vec<Earlier<'_>>, u32) = (Vec::new(), 0);
    for turn in 1..=last {
        let questions = || of(stretch, turn, Who::Customer);
        let Some(first) = questions().next() else { continue };
        *turns += u64::from(span.contains(&first.turn_at));
        let text: Vec<&str> = questions().map(|line| line.text.as_str()).collect();
        let text = text.join("\n");
        let episode = Episode {
            phase: Phase::BeforeModel,
            customer_text: &text,
            answer: None,
            answer_failed_hard: false,
            ai_failures,
            vip,
            vip_parameter: false,
            earlier: &earlier,
            now: Timestamp::from_millis(first.turn_at),
        };
        let decision = decide(rules, &episode);
        if decision.escalate.is_some() && span.contains(&first.turn_at) {
            let text = text.into();
            return Some(Found { turn, phase: Phase::BeforeModel, at: first.turn_at, decision, text });
        }
        if let Some(answer) = of(stretch, turn, Who::Assistant).next() {
            if answer.interrupted {
                ai_failures = ai_failures.saturating_add(1);
            } else {
                let now = Timestamp::from_millis(answer.at);
                let asked = Episode { phase: Phase::AfterAnswer, answer: Some(&answer.text), now, ..episode };
                let decision = decide(rules, &asked);
                if decision.escalate.is_some() && span.contains(&answer.at) {
                    let (phase, text) = (Phase::AfterAnswer, answer.text.as_str().into());
                    return Some(Found { turn, phase, at: answer.at, decision, text });
                }
                ai_failures = if decision.answer_failed { ai_failures.saturating_add(1) } else { 0 };
            }
        }
        earlier.extend(said(stretch, turn));
    }
    None
}

fn of(stretch: &Stretch, turn: u32, who: Who) -> impl Iterator<Item = &super::past::Line> {
    stretch.lines.iter().filter(move |line| line.turn == turn && line.who == who)
}

/// What a turn adds to what was said before.
fn said(stretch: &Stretch, turn: u32) -> impl Iterator<Item = Earlier<'_>> {
    stretch.lines.iter().filter(move |line| line.turn == turn).filter_map(|line| {
        let speaker = match line.who {
            Who::Customer => Speaker::Customer,
            Who::Assistant => Speaker::Assistant,
            Who::Agent => return None,
        };
        let at = Timestamp::from_millis(line.at);
        Some(Earlier { speaker, text: &line.text, at, broke_off: line.interrupted })
    })
}

/// The beginning of a text, on one line.
fn excerpt(text: impl AsRef<str>, chars: usize) -> String {
    let text = text.as_ref().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
