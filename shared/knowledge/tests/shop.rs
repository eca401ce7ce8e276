//! Asks the sample folder what customers ask, and what it has no answer to.

use std::path::Path;
use switchboard_domain::Language;
use switchboard_knowledge::{Answer, Hit, Knowledge, KnowledgeError, Settings};

fn settings() -> Settings {
    Settings {
        min_confidence: 0.5,
        nearest: 3,
        max_question_chars: 500,
        max_article_bytes: 256 * 1024,
        max_articles: 2000,
    }
}

fn shop() -> Result<Knowledge, KnowledgeError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services/chat-gateway/knowledge");
    Knowledge::load(&folder, settings())
}

/// The question, and the article and heading of the answer. `*` is any heading.
const ANSWERED: &[(&str, &str, &str)] = &[
    // one word
    ("warranty", "en/warranty", ""),
    ("保修", "zh/warranty", ""),
    ("Refund?", "en/returns", ""),
    ("发票", "zh/payment", "*"),
    ("E21", "en/error-codes", "E21 – battery temperature"),
    ("胎压", "zh/maintenance", "胎压"),
    ("地址", "zh/contact", ""),
    // plain questions
    ("How long does it take to charge the battery?", "en/charging", ""),
    ("充满电要多长时间？", "zh/charging", ""),
    ("How much is shipping?", "en/shipping", ""),
    ("运费多少钱", "zh/shipping", ""),
    ("What tyre pressure for the Trail?", "en/maintenance", "Tyre pressure"),
    ("有什么颜色", "zh/models", "颜色"),
    ("Can I test ride a bike?", "en/contact", "Test ride"),
    ("可以试骑吗", "zh/contact", "试骑"),
    ("When are you open on Sundays?", "en/contact", "Opening hours"),
    ("你们几点开门？", "zh/contact", "营业时间"),
    ("怎么改收货地址", "zh/orders", "修改或取消订单"),
    ("can I pay in instalments", "en/payment", "Instalments"),
    // in other words than the article's
    ("How far can I ride on one charge?", "en/range", ""),
    ("电池能跑多远", "zh/range", ""),
    ("电池能骑多远？", "zh/range", ""),
    ("how long does the battery last", "en/range", "How many years the battery lasts"),
    ("How do I send the bike back and get my money back?", "en/returns", "*"),
    ("退款多久到账", "zh/returns", "退款什么时候到账"),
    ("Where is my package?", "en/orders", "*"),
    ("我的订单到哪了", "zh/orders", "*"),
    ("Where is my order 20240115?", "en/orders", "*"),
    ("is the motor guaranteed for how many years", "en/warranty", ""),
    ("电机质保几年", "zh/warranty", ""),
    ("what is not covered by the guarantee?", "en/warranty", "What is not covered"),
    ("my brakes squeak", "en/maintenance", "Brakes"),
    ("刹车不灵了怎么办", "zh/maintenance", "刹车"),
    ("冬天电池怎么保存", "zh/battery-care", "冬天怎样存放"),
    ("How do I store the bike in winter?", "en/battery-care", "Winter storage"),
    ("Can I take the battery on a plane?", "en/battery-care", "*"),
    ("身高165选什么尺码", "zh/models", "怎样选择车架尺码"),
    ("能寄到国外吗", "zh/shipping", "*"),
    // codes, full-width letters, mixed languages, search syntax
    ("显示屏报错E03", "zh/error-codes", "E03 刹车传感器"),
    ("Ｅ０７是什么意思", "zh/error-codes", "E07 电压"),
    ("the display shows E10!!!", "en/error-codes", "E10 – controller"),
    ("warranty AND \"battery:( ^2 *~", "en/warranty", "*"),
    // a story around the question
    ("你好！我上个月买了一辆车。请问保修期多长？", "zh/warranty", ""),
    ("Hello, I'm Anna and I love cycling. What is the warranty on the frame?", "en/warranty", ""),
];

/// Nothing of this is in the folder, even where some of the words are.
const UNANSWERED: &[&str] = &[
    "What is the capital of France?",
    "今天天气怎么样",
    "请写一首诗",
    "can you fix my dishwasher",
    "Who won the world cup?",
    "帮我写一段Python代码",
    "推荐一家附近的餐厅",
    "what's the weather today",
    "电视机保修几年",
    "warranty on my washing machine",
    "苹果手机电池不耐用",
    "how do I return a library book",
    "What does error E99 mean?",
    "发电机多少钱",
    "I want to talk to a human",
    "转人工",
    "Do you sell iPhones?",
    "what time is it",
    "hello",
    "你好，谢谢",
    "are you a bot",
    // nothing to go by
    "",
    "   \n\t",
    "🚲🔋😀",
    "?!。…",
    "12345678901",
    "\u{0}\u{200b}\u{feff}\u{202e}",
    "\" OR 1=1 -- title:* [a TO b] {!x}",
];

fn describe(question: &str, answer: &Answer) -> String {
    format!("{question:?} got {answer:#?}")
}

#[test]
fn questions_about_the_shop_find_their_passage() {
    let shop = shop().unwrap();
    for (question, article, heading) in ANSWERED {
        let answer = shop.answer(question, None);
        let Answer::Sure { best, others } = &answer else { panic!("{}", describe(question, &answer)) };
        assert_eq!(best.article_id, *article, "{}", describe(question, &answer));
        assert!(*heading == "*" || best.heading == *heading, "{}", describe(question, &answer));
        assert!((0.5..=1.0).contains(&best.confidence) && others.len() <= 3);
        assert_eq!(best.language.tag(), &article[..2]);
    }
}

#[test]
fn other_questions_are_not_answered() {
    let shop = shop().unwrap();
    for question in UNANSWERED {
        let answer = shop.answer(question, None);
        let Answer::Unsure { nearest } = &answer else { panic!("{}", describe(question, &answer)) };
        assert!(nearest.len() <= 3 && nearest.iter().all(|hit| hit.confidence < 0.5));
    }
}

#[test]
fn very_long_questions_are_cut() {
    let shop = shop().unwrap();
    let long = format!("{} {}", "保修".repeat(20_000), "\u{1f6b2}".repeat(20_000));
    assert!(matches!(shop.answer(&long, None), Answer::Sure { .. }));
    let late = format!("{}warranty", "lorem ipsum ".repeat(100));
    assert_eq!(shop.answer(&late, None), Answer::Unsure { nearest: Vec::new() });
    let one_word = "永".repeat(100_000) + &"x".repeat(100_000);
    assert!(matches!(shop.answer(&one_word, None), Answer::Unsure { .. }));
}

#[test]
fn the_language_asked_for_goes_first_and_the_other_one_helps_out() {
    let shop = shop().unwrap();
    let of = |answer: &Answer| match answer {
        Answer::Sure { best, .. } => best.article_id.clone(),
        Answer::Unsure { .. } => String::new(),
    };
    assert_eq!(of(&shop.answer("E03", Some(Language::Zh))), "zh/error-codes");
    assert_eq!(of(&shop.answer("E03", Some(Language::En))), "en/error-codes");
    assert_eq!(of(&shop.answer("warranty", Some(Language::Zh))), "en/warranty");
    assert_eq!(of(&shop.answer("保修", Some(Language::En))), "zh/warranty");
}

#[test]
fn an_answer_can_be_shown() {
    let shop = shop().unwrap();
    let Answer::Sure { best, others } = shop.answer("What is the tyre pressure?", None) else { panic!() };
    let expected = Hit {
        article_id: "en/maintenance".into(),
        title: "Maintenance, brakes and tyres".into(),
        heading: "Tyre pressure".into(),
        anchor: "tyre-pressure".into(),
        url: None,
        text: "- Larkway City: 3.0 to 3.5 bar\n- Larkway Trail: 2.0 to 2.5 bar\n- Larkway Fold: 3.5 to 4.0 bar\n\n\
            Use the higher figure for heavy loads. The limits are also printed on the side of the tyre."
            .into(),
        markdown: "- Larkway City: 3.0 to 3.5 bar\n- Larkway Trail: 2.0 to 2.5 bar\n- Larkway Fold: 3.5 to 4.0 bar\n\n\
            Use the higher figure for heavy loads. The limits are also printed on the side of the tyre."
            .into(),
        language: Language::En,
        confidence: best.confidence,
    };
    assert_eq!(best, expected);
    assert!(others.iter().all(|other| other.confidence <= best.confidence));
}

#[test]
fn search_looks_in_all_languages() {
    let shop = shop().unwrap();
    let ids: Vec<String> = shop.search("E05", 10).into_iter().map(|hit| hit.article_id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&"zh/error-codes".to_owned()) && ids.contains(&"en/error-codes".to_owned()));
    assert_eq!(shop.search("battery", 2).len(), 2);
    assert!(shop.search("battery", 0).is_empty() && shop.search("", 5).is_empty());
}

#[test]
fn every_article_exists_in_both_languages() {
    let shop = shop().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services/chat-gateway/knowledge");
    let names = |language: &str| {
        let mut names: Vec<_> = std::fs::read_dir(folder.join(language))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("zh"), names("en"));
    assert_eq!(shop.articles(), 2 * names("en").len());
    assert!(shop.passages() > 4 * shop.articles());
}
