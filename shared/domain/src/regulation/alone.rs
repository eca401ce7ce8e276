//! Deciding where the regulator cannot be asked. The rules at hand are the built-in ones then, not the shop's: whatever
//! they would let pass with a doubt goes to a human.

use super::{Decision, Episode, Phase, Rules, decide, names::RuleId, normal::normalise, sentiment};

/// Decides like [`decide`], and hands over in doubt as well. There is doubt where a rule sees what it counts, though less
/// of it than it takes: an answer that failed, also the first one; a question after a failed answer; a customer half as
/// angry as it takes. A rule that does not apply raises none.
pub fn decide_alone(rules: &Rules, episode: &Episode<'_>) -> Decision {
    let mut decision = decide(rules, episode);
    if decision.escalate.is_some() {
        return decision;
    }
    let failed = match episode.phase {
        Phase::BeforeModel => episode.ai_failures > 0,
        Phase::AfterAnswer => decision.answer_failed,
    };
    if failed && rules.applies(RuleId::AiFailure) {
        let evidence = std::mem::take(&mut decision.evidence);
        let details = "监管服务不可用,AI 回答存疑,转人工处理".to_owned();
        decision.hand_over(rules, RuleId::AiFailure, details, evidence);
    } else if episode.phase == Phase::BeforeModel && rules.applies(RuleId::Sentiment) {
        let mood = sentiment::mood(&rules.lexicon, &rules.exceptions, &normalise(episode.customer_text));
        if mood.score > 0 && mood.score.saturating_mul(2) >= rules.sentiment_threshold {
            let details = format!("监管服务不可用,顾客可能不满,得分 {}", mood.score);
            decision.hand_over(rules, RuleId::Sentiment, details, mood.evidence);
        }
    }
    decision
}
