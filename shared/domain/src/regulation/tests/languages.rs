//! The rules that read what a customer writes, language by language.

use super::*;

fn rule(text: &str) -> Option<RuleId> {
    decide(&BUILTIN, &question(text)).rule
}

#[test]
fn requests_for_a_human_in_other_words() {
    for text in [
        "有没有人？",
        "有没有人在",
        "有人吗",
        "有人在吗???",
        "能不能换个人",
        "叫你们经理来",
        "我要找你们负责人",
        "我想跟人说话",
        "不要机器人",
        "帮我转给工作人员",
        "can I talk to someone",
        "Could I please speak with somebody?",
        "I'd like to talk to your team",
        "is anyone there?",
        "Is there anyone I can talk to",
        "agent",
        "Human please!",
        "hi. Operator.",
        "get me a manager",
        "please transfer me to your supervisor",
        "I don't want to talk to a bot",
        "Can someone call me?",
        "Kann ich bitte mit einem Kollegen reden",
        "Ist da jemand erreichbar?",
        "Verbinden Sie mich bitte mit der Technik",
        "Mitarbeiter bitte",
        "Puis-je parler à un responsable ?",
        "y a-t-il quelqu'un ?",
        "Passez-moi un responsable",
        "conseiller svp",
        "¿Puedo hablar con un supervisor?",
        "¿Hay alguien ahí?",
        "Páseme con un supervisor",
        "Agente, por favor",
        "no quiero un robot",
    ] {
        let decision = decide(&BUILTIN, &question(text));
        let asked = matches!(decision.rule, Some(RuleId::Request | RuleId::Keyword));
        assert!(asked, "{text}: {decision:?}");
        assert_eq!(decision.escalate.map(|escalate| escalate.reason), Some(Reason::Keyword), "{text}");
    }
    assert_eq!(rule("can I talk to someone"), Some(RuleId::Keyword), "the keyword list comes first");
    let decision = decide(&BUILTIN, &question("有没有人?"));
    assert_eq!((decision.rule, decision.evidence), (Some(RuleId::Request), vec!["有没有人".to_owned()]));
    assert_eq!(decision.escalate.unwrap().details, "顾客请求人工服务: 有没有人");
}

#[test]
fn what_only_looks_like_a_request() {
    for text in [
        "有没有人工智能功能",
        "有没有人买过这款车",
        "别人骑过吗",
        "客人吗",
        "能不能换个电池",
        "接口是什么样的",
        "叫什么名字",
        "who is the agent in the forest movie",
        "the user agent is wrong",
        "Is this bike for one person?",
        "Can I talk to my bike by bluetooth",
        "is the battery available",
        "do you ship to a human settlement",
        "Gibt es einen Roboter im Lager?",
        "Menschen fahren gern Rad",
        "Je peux payer par carte ?",
        "Agentes químicos",
        "hay alguna oferta",
    ] {
        assert_eq!(rule(text), None, "{text}");
    }
}

#[test]
fn anger() {
    for text in [
        "气死我了！！",
        "什么垃圾产品,太失望了",
        "你们就是骗子,太差了",
        "真的很不满意,受不了",
        "垃圾!!",
        "非常生气,差评",
        "This is a scam, I am very angry",
        "worst shop, so annoying",
        "I'm not happy, and the bike is useless",
        "absolutely disgusting",
        "FURIOUS!!",
        "terrible and ridiculous",
        "I am fed up, no help",
        "Das ist Betrug, ich bin sehr enttäuscht",
        "Unverschämt und nutzlos",
        "c'est une arnaque, je suis déçu",
        "vraiment honteux",
        "es una estafa, qué vergüenza",
        "muy decepcionado y enfadado, inútil",
    ] {
        let decision = decide(&BUILTIN, &question(text));
        assert_eq!(decision.rule, Some(RuleId::Sentiment), "{text}: {decision:?}");
        assert_eq!(decision.escalate.unwrap().reason, Reason::Sentiment);
    }
    for text in [
        "我不生气",
        "没有失望",
        "垃圾桶在哪里",
        "有点慢",
        "谢谢,很满意",
        "不是垃圾,也不是骗子",
        "I'm not angry at all",
        "not bad",
        "no scam, no fraud, great shop",
        "thanks, very helpful!!",
        "is the worst case 40 km?",
        "I was annoyed, now I am happy",
        "ich bin nicht wütend",
        "kein Betrug",
        "pas furieux",
        "sin estafa",
        "the disgustingly large box",
        "Rückenbeschwerden",
    ] {
        assert_eq!(rule(text), None, "{text}");
    }
}

#[test]
fn anger_is_explained() {
    let decision = decide(&BUILTIN, &question("Not happy. It is really useless!!"));
    assert_eq!(decision.evidence, ["happy +2", "useless +3", "!! +1"]);
    assert_eq!(decision.escalate.unwrap().details, "顾客情绪不满,得分 6,已达阈值 4");
    let decision = decide(&BUILTIN, &question("谢谢,但是这垃圾真糟糕,骗子"));
    assert_eq!(decision.evidence, ["谢谢 -2", "垃圾 +3", "糟糕 +3", "骗子 +3"]);
}
