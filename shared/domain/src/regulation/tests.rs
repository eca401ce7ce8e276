//! The policy as tables, then as properties.

mod alone;
mod documents;
mod languages;
mod series;

use super::*;
use crate::Timestamp;
use proptest::prelude::*;

/// Compiled once: properties decide thousands of times.
static BUILTIN: std::sync::LazyLock<Rules> = std::sync::LazyLock::new(|| Rules::builtin().unwrap());

fn compiled(source: &RulesSource) -> Rules {
    Rules::compile(RulesVersion::parse("draft").unwrap(), source).unwrap()
}

fn question(text: &str) -> Episode<'_> {
    Episode {
        phase: Phase::BeforeModel,
        customer_text: text,
        answer: None,
        answer_failed_hard: false,
        ai_failures: 0,
        vip: false,
        vip_parameter: false,
        earlier: &[],
        now: Timestamp::from_millis(0),
    }
}

fn answer(text: &str, ai_failures: u32) -> Episode<'_> {
    Episode { phase: Phase::AfterAnswer, answer: Some(text), ai_failures, ..question("") }
}

/// What customers write, and the phrases by which they are handed over; none means that the bot answers.
const QUESTIONS: &[(&str, &[&str])] = &[
    // Chinese: asks for a human
    ("我要转人工", &["转人工", "人工"]),
    ("请接人工服务", &["接人工", "人工"]),
    ("有真人吗？", &["真人"]),
    ("叫你们客服来", &["客服"]),
    ("我要投诉！！！", &["投诉"]),
    ("这个问题无法解决吗", &["无法解决"]),
    ("客服呢?我要人工,再不来就投诉", &["客服", "人工", "投诉"]),
    ("投诉！人工！投诉！", &["投诉", "人工"]),
    ("人\u{200b}工", &["人工"]),
    ("转\u{feff}人\u{2060}工", &["转人工", "人工"]),
    ("人工智能太笨了,转人工", &["转人工", "人工"]),
    ("不要人工智能,我要人工", &["人工"]),
    ("人工费太贵了,给我人工客服", &["人工", "客服"]),
    ("轉人工", &["人工"]),
    // Chinese: does not
    ("你是人工智能吗", &[]),
    ("支持对接人工智能音箱吗", &[]),
    ("维修的人工费和人工成本是多少", &[]),
    ("我个人工作很忙,周末能送货吗", &[]),
    ("工人工资怎么算", &[]),
    ("要带个人工具吗", &[]),
    ("不需要人工客服,你回答就好", &[]),
    ("我不是投诉,只是想问问电池", &[]),
    ("电池能骑多远?", &[]),
    ("客人很多,服务很好", &[]),
    // English: asks for a human
    ("I want a human agent", &["human agent"]),
    ("HUMAN   AGENT now!!", &["human agent"]),
    ("ｈｕｍａｎ ａｇｅｎｔ", &["human agent"]),
    ("Can I talk to a human, please?", &["talk to a human"]),
    ("can i speak\nto someone", &["speak to someone"]),
    ("is this a real person or a bot", &["real person"]),
    ("Customer service representative. A live agent!", &["customer service representative", "live agent"]),
    ("I have a complaint about the real person who called", &["complaint", "real person"]),
    ("no complaints so far, but let me talk to an agent", &["talk to an agent"]),
    ("你好,human agent请", &["human agent"]),
    // English: does not
    ("Does the paint contain reagents?", &[]),
    ("The chain is superhuman agentless", &[]),
    ("Is this complaintfree?", &[]),
    ("No complaints so far, great bike", &[]),
    ("I don't want to talk to a human, just tell me the range", &[]),
    ("I don’t need a human agent", &[]),
    ("", &[]),
    ("🙂 ... ???", &[]),
    // German
    ("Ich möchte mit einem Menschen sprechen", &["mit einem menschen"]),
    ("Kann ich bitte mit jemandem sprechen?", &["mit jemandem sprechen"]),
    ("ICH WILL MICH BESCHWEREN", &["beschweren"]),
    ("Kundenservice‑Mitarbeiter bitte", &["kundenservice-mitarbeiter"]),
    ("Kein menschlicher Mitarbeiter da?", &["menschlicher mitarbeiter"]),
    ("Rückenbeschwerden durch den Sattel", &[]),
    ("Keine Beschwerden, alles gut", &[]),
    ("Wie weit reicht der Akku?", &[]),
    // French
    ("Je veux parler à quelqu’un", &["parler à quelqu'un"]),
    ("je veux parler a quelqu'un", &["parler a quelqu'un"]),
    ("Un conseiller humain, s'il vous plaît", &["conseiller humain"]),
    ("J'ai une RE\u{301}CLAMATION à faire", &["réclamation"]),
    ("Aucune réclamation, merci", &[]),
    ("Quelle est l'autonomie du vélo ?", &[]),
    // Spanish
    ("Quiero hablar con una persona", &["hablar con una persona"]),
    ("¿Eres una persona real?", &["persona real"]),
    ("Tengo una queja y quiero un agente humano", &["queja", "agente humano"]),
    ("No tengo ninguna queja", &[]),
    ("Quiero plantar un esqueje", &[]),
    ("¿Cuánto tarda el envío?", &[]),
];

#[test]
fn questions() {
    let rules = &*BUILTIN;
    for (text, phrases) in QUESTIONS {
        let decision = decide(rules, &question(text));
        assert_eq!(decision.evidence, *phrases, "{text}");
        assert_eq!(decision.rule, (!phrases.is_empty()).then_some(RuleId::Keyword), "{text}");
        let details = format!("命中关键词: {}", phrases.join(", "));
        let escalate = Escalate { reason: Reason::Keyword, severity: Severity::High, details };
        assert_eq!(decision.escalate, (!phrases.is_empty()).then_some(escalate), "{text}");
        assert!(!decision.answer_failed);
    }
}

#[test]
fn answers() {
    let rules = &*BUILTIN;
    let table: &[(&str, &[&str])] = &[
        ("很抱歉，我不太清楚。", &["很抱歉", "抱歉", "不太清楚"]),
        ("这个我无法回答", &["无法", "无法回答"]),
        ("我不能确定", &["不能确定"]),
        ("很抱歉听到这个消息，请先重启电池。", &[]),
        ("电池可以骑行100公里。", &[]),
        ("转人工", &[]), // keywords are for questions
        ("I’m sorry, I don’t know.", &["i'm sorry", "i don't know"]),
        ("I'm sorry to hear that. Hold the button for 3 seconds.", &[]),
        ("You can't help but smile on it.", &[]),
        ("Unfortunately I cannot help with that", &["cannot help"]),
        ("Das weiss ich leider nicht.", &["weiß ich leider nicht"]),
        ("Dabei kann ich leider nicht weiterhelfen", &["kann ich leider nicht", "nicht weiterhelfen"]),
        ("Der Akku reicht 100 km.", &[]),
        ("Désolé, je ne sais pas.", &["désolé", "je ne sais pas"]),
        ("L'autonomie est de 100 km.", &[]),
        ("Lo siento, no tengo información.", &["lo siento", "no tengo información"]),
        ("La autonomía es de 100 km.", &[]),
    ];
    for (text, phrases) in table {
        let decision = decide(rules, &answer(text, 0));
        assert_eq!(decision.evidence, *phrases, "{text}");
        assert_eq!(decision.answer_failed, !phrases.is_empty(), "{text}");
        assert_eq!(
            (decision.escalate, decision.rule),
            (None, None),
            "the first failure is not too many: {text}"
        );
    }
}

#[test]
fn failures_in_a_row_count_the_current_one() {
    let rules = &*BUILTIN;
    // (failures before, answer, provider failed) -> (failed, count that escalates)
    let table = [
        (0, Some("抱歉"), false, true, None),
        (1, Some("抱歉"), false, true, None),
        (2, Some("抱歉"), false, true, Some(3)),
        (7, Some("抱歉"), false, true, Some(8)),
        (2, Some("可以"), false, false, None), // a good answer ends the row
        (9, Some("可以"), false, false, None),
        (2, Some("可以"), true, true, Some(3)),
        (2, None, true, true, Some(3)),
        (1, None, true, true, None),
        (2, None, false, false, None),
        (u32::MAX, None, true, true, Some(u32::MAX)),
    ];
    for (ai_failures, text, answer_failed_hard, failed, told) in table {
        let decision =
            decide(rules, &Episode { answer: text, answer_failed_hard, ..answer("", ai_failures) });
        assert_eq!(decision.answer_failed, failed, "{ai_failures} {text:?} {answer_failed_hard}");
        let expected = told.map(|count| Escalate {
            reason: Reason::FailLoop,
            severity: Severity::Low,
            details: format!("AI 连续失败 {count} 次,已达阈值 3"),
        });
        assert_eq!(decision.escalate, expected, "{ai_failures} {text:?} {answer_failed_hard}");
        assert_eq!(decision.rule, told.map(|_| RuleId::AiFailure));
    }
}

#[test]
fn vip_comes_first_and_only_before_the_model() {
    let rules = &*BUILTIN;
    for (vip, vip_parameter) in [(true, false), (false, true), (true, true)] {
        let asked = decide(rules, &Episode { vip, vip_parameter, ..question("转人工") });
        let details = "VIP 用户,自动转人工".to_owned();
        assert_eq!(asked.escalate, Some(Escalate { reason: Reason::Vip, severity: Severity::High, details }));
        assert_eq!((asked.rule, asked.evidence), (Some(RuleId::Vip), vec![]));
        let answered = decide(rules, &Episode { vip, vip_parameter, ..answer("可以", 0) });
        assert_eq!(answered.escalate, None);
    }
    let mut source = RulesSource::builtin();
    source.rules.vip.enabled = false;
    let off = compiled(&source);
    assert_eq!(decide(&off, &Episode { vip: true, ..question("你好") }).escalate, None);
    assert_eq!(decide(&off, &Episode { vip: true, ..question("转人工") }).rule, Some(RuleId::Keyword));
}

#[test]
fn a_decision_explains_itself() {
    let version = RulesVersion::parse(" shop-7 ").unwrap();
    let rules = &Rules::compile(version, &RulesSource::builtin()).unwrap();
    let decision = decide(rules, &question("你好"));
    assert_eq!((decision.rules_version.as_str(), decision.details()), ("shop-7", "未触发任何监管规则"));
    assert_eq!(decide(rules, &question("人工")).details(), "命中关键词: 人工");
    assert!(!format!("{:?}", answer("geheim", 0)).contains("geheim"), "what people write stays out of logs");
}

#[test]
fn the_original_defaults_are_in_the_builtin_rules() {
    let source = RulesSource::builtin();
    assert_eq!(
        source.rules.keyword.phrases[..7],
        ["人工", "真人", "客服", "投诉", "无法解决", "转人工", "接人工"]
    );
    let failures = ["抱歉", "很抱歉", "无法", "不清楚", "不太清楚", "无法回答", "不能确定"];
    assert_eq!(source.rules.ai_failure.phrases[..7], failures);
    assert_eq!((source.rules.ai_failure.threshold, source.rules.vip.enabled), (3, true));
}

#[test]
fn every_builtin_phrase_is_found_alone_and_every_exception_holds() {
    let rules = &*BUILTIN;
    for phrase in rules.keywords.as_slice() {
        let evidence = decide(rules, &question(phrase.as_str())).evidence;
        assert!(evidence.iter().any(|hit| hit == phrase.as_str()), "{}", phrase.as_str());
    }
    for phrase in rules.failures.as_slice() {
        let evidence = decide(rules, &answer(phrase.as_str(), 0)).evidence;
        assert!(evidence.iter().any(|hit| hit == phrase.as_str()), "{}", phrase.as_str());
    }
    for exception in rules.exceptions.as_slice() {
        assert_eq!(decide(rules, &question(exception.as_str())).escalate, None, "{}", exception.as_str());
        assert!(!decide(rules, &answer(exception.as_str(), 0)).answer_failed, "{}", exception.as_str());
    }
}

#[test]
fn wire_names() {
    for reason in Reason::ALL {
        assert_eq!(reason.to_string().parse(), Ok(reason));
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
    for severity in Severity::ALL {
        assert_eq!(severity.to_string().parse(), Ok(severity));
        assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
    }
    for rule in RuleId::ALL {
        assert_eq!(rule.to_string().parse(), Ok(rule));
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
    }
    assert_eq!(Reason::ALL.map(Reason::as_str), ["keyword", "fail_loop", "sentiment", "vip", "manual"]);
    assert_eq!(Severity::ALL.map(Severity::as_str), ["low", "medium", "high"]);
    assert_eq!("Keyword".parse::<Reason>().unwrap_err().to_string(), "no escalation reason of this name");
    assert!(Severity::Low < Severity::Medium && Severity::Medium < Severity::High);
}

/// Texts in which phrases, near misses and anything else meet.
fn texts() -> impl Strategy<Value = String> {
    let RulesSource { exceptions, rules } = RulesSource::builtin();
    let terms = rules.sentiment.negative.into_keys().chain(rules.sentiment.positive.into_keys()).collect();
    let lists = [
        rules.keyword.phrases,
        exceptions.unwrap(),
        rules.ai_failure.phrases,
        terms,
        rules.sentiment.negators,
    ];
    let phrases = prop::sample::select(lists.concat());
    let piece = prop_oneof![
        4 => phrases,
        1 => any::<String>(),
        2 => "[ ,.!?，。！\n'’-]{1,2}",
        1 => "[a-zäßéñ人工不的]{1,3}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn both(rules: &Rules, text: &str, ai_failures: u32) -> [Decision; 2] {
    [decide(rules, &question(text)), decide(rules, &answer(text, ai_failures))]
}

proptest! {
    #[test]
    fn the_same_episode_has_the_same_decision(text in texts(), ai_failures in any::<u32>()) {
        prop_assert_eq!(both(&BUILTIN, &text, ai_failures), both(&BUILTIN, &text, ai_failures));
    }

    #[test]
    fn letter_case_does_not_matter(text in texts()) {
        let rules = &*BUILTIN;
        let expected = both(rules, &text, 2);
        prop_assert_eq!(&both(rules, &text.to_uppercase(), 2), &expected);
        prop_assert_eq!(&both(rules, &text.to_lowercase(), 2), &expected);
    }

    #[test]
    fn invisible_characters_do_not_matter(
        text in texts(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        invisible in prop::sample::select(vec!['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}']),
    ) {
        let rules = &*BUILTIN;
        let mut chars: Vec<char> = text.chars().collect();
        for place in places {
            chars.insert(place.index(chars.len() + 1), invisible);
        }
        let padded: String = chars.into_iter().collect();
        prop_assert_eq!(both(rules, &padded, 2), both(rules, &text, 2));
    }

    #[test]
    fn evidence_carries_the_decision(text in texts(), ai_failures in 0_u32..6) {
        let source = RulesSource::builtin();
        let [asked, answered] = both(&BUILTIN, &text, ai_failures);
        if asked.rule == Some(RuleId::Keyword) {
            prop_assert!(asked.evidence.iter().all(|phrase| source.rules.keyword.phrases.contains(phrase)));
        }
        prop_assert_eq!(asked.escalate.is_some(), !asked.evidence.is_empty());
        prop_assert_eq!(asked.rule.is_some(), asked.escalate.is_some());
        let failed = !answered.evidence.is_empty();
        prop_assert!(answered.evidence.iter().all(|phrase| source.rules.ai_failure.phrases.contains(phrase)));
        prop_assert_eq!(answered.answer_failed, failed);
        prop_assert_eq!(answered.escalate.is_some(), failed && ai_failures + 1 >= 3);
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>(), earlier in prop::collection::vec(any::<String>(), 0..4)) {
        let earlier: Vec<Earlier<'_>> =
            earlier.iter().map(|text| said(Speaker::Customer, text, i64::MIN)).collect();
        for phase in [Phase::BeforeModel, Phase::AfterAnswer] {
            let episode = Episode { phase, earlier: &earlier, now: Timestamp::from_millis(i64::MAX), ..answer(&text, 1) };
            let episode = Episode { customer_text: &text, ..episode };
            prop_assert_eq!(decide(&BUILTIN, &episode), decide(&BUILTIN, &episode));
        }
    }
}

fn said(speaker: Speaker, text: &str, at: i64) -> Earlier<'_> {
    Earlier { speaker, text, at: Timestamp::from_millis(at), broke_off: false }
}
