//! Where the regulator cannot be asked.

use super::*;

fn rule(episode: &Episode<'_>) -> (Option<RuleId>, Option<RuleId>) {
    (decide(&BUILTIN, episode).rule, decide_alone(&BUILTIN, episode).rule)
}

#[test]
fn doubt_goes_to_a_human() {
    let (failure, mood) = (Some(RuleId::AiFailure), Some(RuleId::Sentiment));
    // Without a doubt nothing is different.
    assert_eq!(rule(&question("你好")), (None, None));
    assert_eq!(rule(&question("我要转人工")), (Some(RuleId::Keyword), Some(RuleId::Keyword)));
    assert_eq!(rule(&answer("充满一次电可以跑 80 公里", 0)), (None, None));
    assert_eq!(rule(&answer("充满一次电可以跑 80 公里", 2)), (None, None));
    // The first failure is enough, and a question after one.
    assert_eq!(rule(&answer("很抱歉，我不清楚", 0)), (None, failure));
    assert_eq!(rule(&Episode { ai_failures: 1, ..question("你好") }), (None, failure));
    // So is half of the anger that it takes.
    let threshold = BUILTIN.sentiment_threshold;
    let score = |text: &str| sentiment::mood(&BUILTIN.lexicon, &BUILTIN.exceptions, &normalise(text)).score;
    let text = "有点失望";
    assert!(score(text) > 0 && score(text) < threshold && score(text) * 2 >= threshold, "{}", score(text));
    assert_eq!(rule(&question(text)), (None, mood));
}

#[test]
fn a_rule_that_does_not_apply_raises_no_doubt() {
    let mut source = RulesSource::default();
    source.rules.ai_failure.enabled = false;
    source.rules.sentiment.enabled = false;
    let rules = compiled(&source);
    for episode in [answer("很抱歉，我不清楚", 0), question("有点失望")] {
        assert_eq!(decide_alone(&rules, &episode).escalate, None);
    }
}

proptest! {
    #[test]
    fn whoever_is_handed_over_by_the_rules_is_handed_over_by_them_alone(text in texts(), ai_failures in any::<u32>()) {
        for episode in [Episode { ai_failures, ..question(&text) }, answer(&text, ai_failures)] {
            let decision = decide(&BUILTIN, &episode);
            let alone = decide_alone(&BUILTIN, &episode);
            prop_assert_eq!(alone.answer_failed, decision.answer_failed);
            if decision.escalate.is_some() {
                prop_assert_eq!(alone, decision);
            }
        }
    }
}
