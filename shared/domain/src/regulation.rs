//! Must a human take over? The escalation policy as one pure function, [`decide`], over rules that were compiled once.
//!
//! Two questions are asked of every turn. Before the model is called: is this a VIP, does the customer ask for a human, is
//! he angry, does he ask the same thing again, has he waited too long? After the answer: has the model now failed too often
//! in a row, or the customer waited too long? The first rule that applies wins, in the order of [`RuleId::ALL`].
//!
//! To add a rule: add its [`RuleId`], follow the compiler, call it from [`decide`] at its place in the order, add its
//! settings to [`RuleSet`] and its defaults to `builtin.rs`, then add rows to the tables in `regulation/tests`.

mod alone;
mod builtin;
mod episode;
mod names;
mod normal;
mod pattern;
mod phrase;
mod repeat;
mod rules;
mod sentiment;
mod source;
#[cfg(test)]
mod tests;

pub use alone::decide_alone;
pub use episode::{Decision, EARLIER_MAX, Earlier, Episode, Escalate, NO_RULE_DETAILS, Phase, Speaker};
pub use names::{Reason, RuleId, Severity, UnknownName};
pub use normal::normalise;
pub use pattern::{PATTERN_WAYS_MAX, PatternFault};
pub use phrase::{Phrase, PhraseList};
pub use rules::{
    Fault, PHRASE_CHARS_MAX, PHRASES_MAX, Rules, RulesError, RulesVersion, Step, VERSION_CHARS_MAX, WAYS_MAX,
    WEIGHT_MAX,
};
pub use source::{
    FailureRule, KeywordRule, RepeatedRule, RequestRule, RuleSet, RulesSource, SentimentRule, VipRule,
    WaitingRule,
};

use repeat::Shape;

/// Decides whether a human must take over. Pure and total: every episode has exactly one decision.
pub fn decide(rules: &Rules, episode: &Episode<'_>) -> Decision {
    let mut decision = Decision {
        escalate: None,
        answer_failed: false,
        rule: None,
        rules_version: rules.version.clone(),
        evidence: Vec::new(),
    };
    match episode.phase {
        Phase::BeforeModel => before_model(rules, episode, &mut decision),
        Phase::AfterAnswer => after_answer(rules, episode, &mut decision),
    }
    decision
}

fn before_model(rules: &Rules, episode: &Episode<'_>, decision: &mut Decision) {
    if rules.applies(RuleId::Vip) && (episode.vip || episode.vip_parameter) {
        return decision.hand_over(rules, RuleId::Vip, "VIP 用户,自动转人工".to_owned(), Vec::new());
    }
    let text = normalise(episode.customer_text);
    for (rule, list, told) in [
        (RuleId::Keyword, &rules.keywords, "命中关键词"),
        (RuleId::Request, &rules.requests, "顾客请求人工服务"),
    ] {
        if rules.applies(rule) {
            let found = phrase::find(list, &rules.exceptions, &text);
            if !found.is_empty() {
                return decision.hand_over(rules, rule, format!("{told}: {}", found.join(", ")), found);
            }
        }
    }
    if rules.applies(RuleId::Sentiment) {
        let mood = sentiment::mood(&rules.lexicon, &rules.exceptions, &text);
        let (score, threshold) = (mood.score, rules.sentiment_threshold);
        if score >= threshold {
            let details = format!("顾客情绪不满,得分 {score},已达阈值 {threshold}");
            return decision.hand_over(rules, RuleId::Sentiment, details, mood.evidence);
        }
    }
    if rules.applies(RuleId::Repeated)
        && let Some((times, evidence)) = repeated(rules, episode, &text)
    {
        let details = format!("顾客重复提问,此前已问 {times} 次");
        return decision.hand_over(rules, RuleId::Repeated, details, evidence);
    }
    waiting(rules, episode, decision);
}

fn after_answer(rules: &Rules, episode: &Episode<'_>, decision: &mut Decision) {
    if let Some(answer) = episode.answer {
        decision.evidence = phrase::find(&rules.failures, &rules.exceptions, &normalise(answer));
    }
    decision.answer_failed = episode.answer_failed_hard || !decision.evidence.is_empty();
    if !decision.answer_failed {
        return;
    }
    let (failures, threshold) = (episode.ai_failures.saturating_add(1), rules.failure_threshold);
    if rules.applies(RuleId::AiFailure) && failures >= threshold {
        let details = format!("AI 连续失败 {failures} 次,已达阈值 {threshold}");
        let evidence = std::mem::take(&mut decision.evidence);
        return decision.hand_over(rules, RuleId::AiFailure, details, evidence);
    }
    waiting(rules, episode, decision);
}

/// How often the customer asked this before, if often enough, and how similar the earlier questions are.
fn repeated(rules: &Rules, episode: &Episode<'_>, text: &str) -> Option<(usize, Vec<String>)> {
    let rule = &rules.repeated;
    let asked = Shape::of(text);
    if asked.chars() < rule.min_chars as usize {
        return None;
    }
    let earlier = episode.earlier().iter().filter(|earlier| earlier.speaker == Speaker::Customer);
    let similar = earlier
        .map(|earlier| asked.similarity(&Shape::of(&normalise(earlier.text))))
        .filter(|similarity| *similarity >= rule.similarity);
    let evidence: Vec<String> = similar.map(|similarity| format!("{similarity}%")).collect();
    (evidence.len() >= rule.times as usize).then_some((evidence.len(), evidence))
}

/// Escalates when the customer has had no usable answer for too long. Before the model is called only earlier messages
/// wait; when an answer has failed, the message that it was to answer waits too.
fn waiting(rules: &Rules, episode: &Episode<'_>, decision: &mut Decision) {
    if !rules.applies(RuleId::Waiting) {
        return;
    }
    let (mut since, mut messages) = (episode.now, u32::from(episode.phase == Phase::AfterAnswer));
    for earlier in episode.earlier().iter().rev() {
        match earlier.speaker {
            Speaker::Customer => {
                since = since.min(earlier.at);
                messages += 1;
            }
            Speaker::Assistant if earlier.broke_off || failed(rules, earlier.text) => {}
            Speaker::Assistant => break,
        }
    }
    let seconds = u32::try_from(episode.now.since(since).as_secs()).unwrap_or(u32::MAX);
    let rule = &rules.waiting;
    let too = |limit: u32, is: u32| limit > 0 && is >= limit;
    if messages > 0 && too(rule.after_seconds, seconds) {
        let details = format!("顾客已等待 {seconds} 秒,未得到有效回答");
        decision.hand_over(rules, RuleId::Waiting, details, vec![format!("{seconds}s")]);
    } else if too(rule.after_messages, messages) {
        let details = format!("顾客连续 {messages} 条消息未得到有效回答");
        decision.hand_over(rules, RuleId::Waiting, details, vec![format!("{messages} messages")]);
    }
}

fn failed(rules: &Rules, answer: &str) -> bool {
    !phrase::find(&rules.failures, &rules.exceptions, &normalise(answer)).is_empty()
}

impl Decision {
    fn hand_over(&mut self, rules: &Rules, rule: RuleId, details: String, evidence: Vec<String>) {
        self.escalate = Some(Escalate { reason: rule.reason(), severity: rules.severity(rule), details });
        self.rule = Some(rule);
        self.evidence = evidence;
    }
}
