//! Rule documents: what they may leave out, and how they say what is wrong.

use super::*;

#[test]
fn what_a_document_leaves_out_is_built_in() {
    for text in ["{}", "rules: {}", r#"{"rules": {"vip": {"enabled": true}}}"#] {
        assert_eq!(RulesSource::parse(text).unwrap(), RulesSource::builtin(), "{text}");
    }
    let own = RulesSource::parse("rules:\n  keyword:\n    phrases: [退款, 人工智能]\n").unwrap();
    assert_eq!(own.rules.keyword.phrases, ["退款", "人工智能"]);
    assert!(!own.exceptions.as_ref().unwrap().contains(&"人工智能".to_owned()), "an own phrase outranks it");
    assert_eq!(decide(&compiled(&own), &question("人工智能")).rule, Some(RuleId::Keyword));
    let mut expected = RulesSource::builtin();
    expected.rules.keyword.phrases.clone_from(&own.rules.keyword.phrases);
    assert_eq!(own.rules, expected.rules);
}

#[test]
fn the_stored_form_means_the_same() {
    let json = serde_json::to_string(&RulesSource::builtin()).unwrap();
    assert_eq!(RulesSource::parse(&json).unwrap(), RulesSource::builtin());
    assert_eq!(serde_json::from_str::<RulesSource>(&json).unwrap(), RulesSource::builtin());
}

#[test]
fn an_error_names_line_and_reason() {
    let long = "长".repeat(PHRASE_CHARS_MAX + 1);
    let many = (0..=PHRASES_MAX).map(|n| format!("      - phrase {n}\n")).collect::<Vec<_>>().concat();
    let ways = "(a|b|c|d|e|f|g|h)";
    for (text, line, reason) in [
        (
            "rules:\n  keyword:\n    phrases:\n      - 人工\n      - ' '\n",
            5,
            "rules.keyword.phrases[1] is empty",
        ),
        ("exceptions:\n  - \"\\u200b\"\n", 2, "exceptions[0] is empty"),
        (
            "rules:\n  ai_failure:\n    phrases: [no,\n      ＮＯ]\n",
            4,
            "rules.ai_failure.phrases[1] is the same as the phrase at index 0",
        ),
        (
            &format!("rules:\n  keyword:\n    phrases: [a, {long}]"),
            3,
            "phrases[1] has more than 200 characters",
        ),
        (&format!("rules:\n  keyword:\n    phrases:\n{many}"), 4, "has 1001 entries, 1000 are allowed"),
        (
            "exceptions: [b, Menschlicher mitarbeiter]",
            1,
            "exceptions[1] is also one of rules.keyword.phrases, which would never be found",
        ),
        ("rules:\n  ai_failure: {threshold: 0}", 2, "rules.ai_failure.threshold is not 1 to 1000"),
        ("rules:\n  repeated:\n    times: 2\n    similarity: 101", 4, "similarity is not 1 to 100"),
        ("rules:\n  waiting:\n    after_seconds: 0\n    after_messages: 0", 3, "has no limit"),
        ("rules:\n  request:\n    patterns:\n      - a\n      - (b", 5, "patterns[1] opens a group"),
        (
            &format!("rules:\n  request:\n    patterns:\n      - {ways}{ways}{ways}{ways}"),
            4,
            "stands for more than 1024 phrases",
        ),
        (
            "rules:\n  sentiment:\n    negative: {bad: 1}\n    positive:\n      BAD: 1",
            5,
            "is the same as another term",
        ),
        ("rules:\n  sentiment:\n    negative:\n      bad: 0", 4, "negative.bad is not 1 to 1000"),
        ("rules:\n  sentiment:\n    negators: [no, No]", 3, "negators[1] is the same"),
        // The shape.
        ("rules:\n  keywords: {}", 2, "keywords"),
        ("rules:\n  vip:\n    severity: urgent", 3, "urgent"),
        ("rules:\n  repeated:\n    times: often", 3, "u32"),
        ("rules: [", 1, ""),
    ] {
        let error = RulesSource::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(error.reason.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn a_version_has_a_name() {
    assert_eq!(RulesVersion::parse(" v1 ").unwrap().as_str(), "v1");
    for bad in ["", " ", &"v".repeat(VERSION_CHARS_MAX + 1)] {
        let error = RulesVersion::parse(bad).unwrap_err();
        assert_eq!(error.to_string(), "version is not 1 to 64 characters");
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
    }
}
