//! The rules that apply where a shop has set none, and when the regulator cannot be reached.
//!
//! Phrases are compared normalised and, in scripts that separate words, as whole words: an inflected form counts only
//! when it is listed, and so do spellings without accents, which phones like to produce.

mod defaults;
mod mood;
mod requests;

use super::{normal::normalise, source::RuleSet};
use std::collections::BTreeSet;

/// Changes whenever a list or a number of these files does.
const VERSION: &str = "builtin-2";

const KEYWORDS: &[&[&str]] = &[
    // Chinese
    &["人工", "真人", "客服", "投诉", "无法解决", "转人工", "接人工"],
    // English: who is asked for ...
    &["human agent", "human agents", "live agent", "live agents", "real agent", "live person", "real person"],
    &[
        "talk to real people",
        "real human",
        "actual human",
        "actual person",
        "human support",
        "human assistance",
    ],
    &["human representative", "human operator", "live support", "customer service representative"],
    &["customer service representatives", "customer service rep", "customer service agent"],
    &["customer support agent", "customer support representative", "support agent"],
    // ... what is asked of them ...
    &["talk to a human", "talk to human", "talk to a person", "talk to someone", "talk to somebody"],
    &["talk to an agent", "talk to a representative", "talk to a manager", "talk with a human"],
    &["talk with a person", "talk with someone", "talk with an agent", "speak to a human", "speak to human"],
    &["speak to a person", "speak to someone", "speak to somebody", "speak to an agent"],
    &["speak to a representative", "speak to a manager", "speak with a human", "speak with a person"],
    &["speak with someone", "speak with an agent", "speak with a representative", "chat with a human"],
    &["chat with a person", "chat with an agent", "connect me to an agent", "connect me to a human"],
    &[
        "connect me with an agent",
        "connect me with a human",
        "transfer me to an agent",
        "transfer me to a human",
    ],
    // ... and anger
    &["complaint", "complaints", "want to complain", "like to complain"],
    // German
    &["menschlicher mitarbeiter", "menschlichen mitarbeiter", "menschlicher ansprechpartner"],
    &["menschlichen ansprechpartner", "echter mensch", "echten menschen", "echter mitarbeiter"],
    &["echten mitarbeiter", "echte person", "echten person", "mit einem menschen", "mit einem mitarbeiter"],
    &["mit einer mitarbeiterin", "mit jemandem sprechen", "mit jemandem reden", "mit einer person sprechen"],
    &["kundenberater", "kundenberaterin", "kundendienstmitarbeiter", "kundenservice-mitarbeiter"],
    &["beschwerde", "beschwerden", "beschweren"],
    // French
    &["agent humain", "conseiller humain", "conseillère humaine", "conseillere humaine", "opérateur humain"],
    &["operateur humain", "un humain", "être humain", "etre humain", "vraie personne", "personne réelle"],
    &["personne reelle", "conseiller clientèle", "conseiller clientele", "parler à une personne"],
    &["parler a une personne", "parler à quelqu'un", "parler a quelqu'un", "parler avec quelqu'un"],
    &["parler à un conseiller", "parler a un conseiller", "parler avec un conseiller", "parler à un agent"],
    &[
        "parler a un agent",
        "parler avec un agent",
        "réclamation",
        "réclamations",
        "reclamation",
        "reclamations",
    ],
    &["porter plainte", "déposer plainte", "deposer plainte", "me plaindre"],
    // Spanish
    &["agente humano", "asesor humano", "operador humano", "un humano", "ser humano", "persona real"],
    &["persona de verdad", "hablar con una persona", "hablar con alguien", "hablar con un agente"],
    &["hablar con un asesor", "hablar con un representante", "representante de atención al cliente"],
    &[
        "representante de atencion al cliente",
        "agente de atención al cliente",
        "agente de atencion al cliente",
    ],
    &["reclamación", "reclamacion", "reclamaciones", "queja", "quejas", "quejarme"],
];

const EXCEPTIONS: &[&[&str]] = &[
    // Chinese: 人工 as "artificial" or "labour" ...
    &[
        "人工智能",
        "转人工智能",
        "接人工智能",
        "人工费",
        "人工成本",
        "人工合成",
        "人工草坪",
        "人工皮革",
        "人工降雨",
    ],
    &["人工呼吸", "人工湖"],
    // ... and where 人 ends one word and 工 begins the next
    &["人工作", "人工资", "人工具", "人工厂", "人工程", "人工艺", "人工龄"],
    &["真人秀", "真人版", "真人大小", "投诉率", "零投诉"],
    // ... and the refusals
    &["不需要人工", "不需要转人工", "不需要人工客服", "不用人工", "不用转人工", "不用人工客服", "不要转人工"],
    &["不想投诉", "不会投诉", "不是投诉", "没有投诉"],
    // English
    &["no complaint", "no complaints", "not a complaint", "without complaint", "without complaints"],
    &["don't need a human agent", "do not need a human agent", "no need for a human agent"],
    &["don't want to talk to a human", "don't need to talk to a human", "don't need to speak to someone"],
    &["i'm sorry to hear", "i am sorry to hear", "can't help but", "cannot help but"],
    // German
    &["keine beschwerde", "keine beschwerden", "nicht beschweren", "tut mir leid zu hören"],
    &["tut mir leid, das zu hören"],
    // French
    &["aucune réclamation", "aucune reclamation", "pas de réclamation", "pas de reclamation"],
    &["désolé d'apprendre", "désolée d'apprendre"],
    // Spanish
    &[
        "sin queja",
        "sin quejas",
        "ninguna queja",
        "no tengo quejas",
        "ninguna reclamación",
        "ninguna reclamacion",
    ],
    // Things whose names are insults
    &["垃圾桶", "垃圾袋", "垃圾分类"],
    // Chinese answers that feel with the customer and then help
    &["抱歉听到", "很抱歉听到"],
];

const FAILURE_PHRASES: &[&[&str]] = &[
    // Chinese
    &["抱歉", "很抱歉", "无法", "不清楚", "不太清楚", "无法回答", "不能确定"],
    // English
    &[
        "i'm sorry",
        "i am sorry",
        "i apologize",
        "i apologise",
        "i don't know",
        "i do not know",
        "i'm not sure",
    ],
    &["i am not sure", "cannot help", "can't help", "can not help", "unable to help", "cannot answer"],
    &["can't answer", "unable to answer", "cannot assist", "can't assist", "unable to assist"],
    &["don't have information", "do not have information", "don't have any information"],
    &["do not have any information", "don't have enough information", "do not have enough information"],
    &["don't have that information", "do not have that information"],
    // German
    &["tut mir leid", "leider kann ich", "kann ich leider nicht", "ich weiß es nicht", "ich weiß nicht"],
    &["weiß ich nicht", "weiß ich leider nicht", "ich bin mir nicht sicher", "kann ich nicht beantworten"],
    &[
        "nicht weiterhelfen",
        "kann ihnen nicht helfen",
        "kann dir nicht helfen",
        "kann ihnen dabei nicht helfen",
    ],
    &["keine informationen"],
    // French
    &[
        "désolé",
        "désolée",
        "je ne sais pas",
        "je ne suis pas sûr",
        "je ne suis pas sûre",
        "je ne peux pas vous aider",
    ],
    &[
        "je ne peux pas répondre",
        "je ne suis pas en mesure",
        "je n'ai pas d'information",
        "je n'ai pas d'informations",
    ],
    &["je n'ai pas assez d'informations", "je n'ai pas cette information"],
    // Spanish
    &[
        "lo siento",
        "lamentablemente no",
        "no lo sé",
        "no sé",
        "no estoy seguro",
        "no estoy segura",
        "no puedo ayudar",
    ],
    &[
        "no puedo ayudarte",
        "no puedo ayudarle",
        "no puedo responder",
        "no tengo información",
        "no tengo esa información",
    ],
    &["no dispongo de información"],
];

/// The built-in keywords.
pub(super) fn keywords() -> Vec<String> {
    owned(KEYWORDS)
}

/// The built-in failure phrases.
pub(super) fn failure_phrases() -> Vec<String> {
    owned(FAILURE_PHRASES)
}

fn owned(groups: &[&[&str]]) -> Vec<String> {
    groups.iter().copied().flatten().map(|phrase| (*phrase).to_owned()).collect()
}

/// The built-in exceptions that silence no phrase of these rules: what an operator wrote outranks them.
pub(super) fn exceptions_beside(rules: &RuleSet) -> Vec<String> {
    let phrases = rules.keyword.phrases.iter().chain(&rules.ai_failure.phrases);
    let own: BTreeSet<String> = phrases.map(|phrase| normalise(phrase)).collect();
    let mut exceptions = owned(EXCEPTIONS);
    exceptions.retain(|exception| !own.contains(&normalise(exception)));
    exceptions
}
