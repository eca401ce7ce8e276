//! What mails say, in words: templates with a subject on the first line of the plain form.

use minijinja::{
    Environment, UndefinedBehavior,
    syntax::SyntaxConfig,
    value::{Serde, Value},
};
use serde::Serialize;
use std::collections::BTreeMap;
use switchboard_domain::Language;

/// Longest subject, in characters.
const SUBJECT_MAX: usize = 200;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// Each template with its text. What ends in `.html` is escaped by itself.
const TEMPLATES: [(&str, &str); 12] = templates![
    "team.zh.txt",
    "team.zh.html",
    "team.en.txt",
    "team.en.html",
    "customer.zh.txt",
    "customer.zh.html",
    "customer.en.txt",
    "customer.en.html",
    "test.zh.txt",
    "test.zh.html",
    "test.en.txt",
    "test.en.html",
];

/// Which mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To the team: somebody is needed.
    Team,
    /// To the customer: we know.
    Customer,
    /// To the team: mail works.
    Test,
}

/// Everything that can stand in a mail, cleaned.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Facts {
    pub(crate) shop: String,
    pub(crate) session: String,
    /// `keyword`, `fail_loop` …
    pub(crate) reason: String,
    /// `after_hours_email` …
    pub(crate) status: String,
    /// When it happened, in the shop's zone.
    pub(crate) at: String,
    pub(crate) zone: String,
    /// When the mail was written, in the shop's zone.
    pub(crate) sent: String,
    pub(crate) customer: Option<String>,
    pub(crate) email: Option<String>,
    /// What the customer was told of when the shop opens.
    pub(crate) promise: Option<String>,
    /// When the shop opens next, unless it is open by now.
    pub(crate) opening: Option<String>,
    /// Where the team opens the session.
    pub(crate) link: Option<String>,
    /// How many messages there are at most.
    pub(crate) limit: u32,
    /// Oldest first.
    pub(crate) messages: Vec<Line>,
}

/// One message.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// `user`, `assistant`, `agent`, `system`.
    pub(crate) role: &'static str,
    pub(crate) name: Option<String>,
    /// In the shop's zone.
    pub(crate) at: String,
    pub(crate) text: String,
}

/// A mail in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

type Labels = BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>;

#[derive(Serialize)]
struct Context<'a> {
    #[serde(flatten)]
    facts: &'a Facts,
    labels: Labels,
}

/// Writes mails.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// With all templates read.
    ///
    /// # Errors
    /// [`minijinja::Error`] when one cannot be read.
    pub(crate) fn new() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        for (name, text) in TEMPLATES {
            environment.add_template(name, text)?;
        }
        Ok(Self { environment })
    }

    /// Puts a mail into words.
    ///
    /// # Errors
    /// [`minijinja::Error`] when a template asks for what is not there.
    pub(crate) fn render(
        &self,
        kind: Kind,
        language: Language,
        facts: &Facts,
    ) -> Result<Words, minijinja::Error> {
        let name = match kind {
            Kind::Team => "team",
            Kind::Customer => "customer",
            Kind::Test => "test",
        };
        let context = Value::from(Serde(Context { facts, labels: labels(language) }));
        let render = |form: &str| {
            let template = self.environment.get_template(&format!("{name}.{}.{form}", language.tag()))?;
            template.render(context.clone())
        };
        let (plain, html) = (render("txt")?, render("html")?);
        let (subject, text) = plain.split_once('\n').unwrap_or((&plain, ""));
        Ok(Words {
            subject: super::clean::line(subject, SUBJECT_MAX),
            text: text.trim_start().to_owned(),
            html,
        })
    }
}

fn labels(language: Language) -> Labels {
    let zh = language == Language::Zh;
    let pick = |list: &[(&'static str, &'static str, &'static str)]| {
        list.iter().map(|(name, chinese, english)| (*name, if zh { *chinese } else { *english })).collect()
    };
    BTreeMap::from([
        (
            "reason",
            pick(&[
                ("keyword", "关键词触发", "asked for a human"),
                ("fail_loop", "AI连续失败", "the assistant failed several times"),
                ("sentiment", "顾客情绪激动", "the customer is upset"),
                ("vip", "VIP用户", "VIP customer"),
                ("manual", "用户主动请求", "requested by hand"),
            ]),
        ),
        (
            "status",
            pick(&[
                ("bot_active", "AI服务中", "served by the assistant"),
                ("pending_manual", "等待人工接入", "waiting for a colleague"),
                ("manual_live", "人工服务中", "served by a colleague"),
                ("after_hours_email", "非工作时间，待跟进", "out of hours, to be followed up"),
                ("closed", "已关闭", "closed"),
            ]),
        ),
        (
            "role",
            pick(&[
                ("user", "用户", "Customer"),
                ("assistant", "AI", "Assistant"),
                ("agent", "坐席", "Agent"),
                ("system", "系统", "System"),
            ]),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            shop: "Larkway".into(),
            session: "alice".into(),
            reason: "fail_loop".into(),
            status: "after_hours_email".into(),
            at: "2026-11-23 21:00:00".into(),
            zone: "Asia/Shanghai".into(),
            sent: "2026-11-23 21:00:01".into(),
            limit: 10,
            messages: vec![Line {
                role: "user",
                name: None,
                at: "20:59:58".into(),
                text: "<script>alert(1)</script> & \"more\"".into(),
            }],
            ..Facts::default()
        }
    }

    fn render(kind: Kind, language: Language, facts: &Facts) -> Words {
        Templates::new().unwrap().render(kind, language, facts).unwrap()
    }

    #[test]
    fn the_team_reads_what_happened() {
        let words = render(Kind::Team, Language::Zh, &facts());
        assert_eq!(words.subject, "[Larkway客服] 人工接管请求 - alice");
        for told in [
            "会话ID：alice",
            "触发原因：AI连续失败",
            "触发时间：2026-11-23 21:00:00（Asia/Shanghai）",
            "当前状态：非工作时间，待跟进",
        ] {
            assert!(words.text.contains(told), "{told}: {}", words.text);
        }
        assert!(
            words.text.contains("\n\n用户  20:59:58\n<script>alert(1)</script> & \"more\"\n"),
            "{}",
            words.text
        );
        let english = render(Kind::Team, Language::En, &facts());
        assert_eq!(english.subject, "[Larkway support] Human requested - alice");
        assert!(english.text.contains("Reason: the assistant failed several times"), "{}", english.text);
    }

    #[test]
    fn html_shows_words_and_runs_nothing() {
        for language in [Language::Zh, Language::En] {
            let html = render(Kind::Team, language, &facts()).html;
            assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
            assert!(!html.contains("<script") && !html.contains("\"more\""), "{html}");
            let attack = Facts {
                shop: "<b>".into(),
                customer: Some("<img src=x>".into()),
                email: Some("\"><i>@x.y".into()),
                promise: Some("<a href=x>".into()),
                link: Some("https://a.b/\"><u>".into()),
                ..facts()
            };
            for kind in [Kind::Team, Kind::Customer, Kind::Test] {
                let html = render(kind, language, &attack).html;
                for tag in ["<b>", "<img", "<i>", "<a href=x", "<u>"] {
                    assert!(!html.contains(tag), "{tag} in {html}");
                }
            }
        }
    }

    #[test]
    fn every_reason_and_status_has_its_words() {
        for language in [Language::Zh, Language::En] {
            let labels = labels(language);
            for reason in ["keyword", "fail_loop", "sentiment", "vip", "manual"] {
                let words = render(Kind::Team, language, &Facts { reason: reason.into(), ..facts() });
                assert!(words.text.contains(labels["reason"][reason]), "{reason}");
                assert!(words.html.contains(labels["reason"][reason]), "{reason}");
            }
            for status in switchboard_domain::Status::ALL {
                assert!(labels["status"].contains_key(status.as_str()), "{status}");
            }
            let unknown = render(Kind::Team, language, &Facts { reason: "new".into(), ..facts() });
            assert!(unknown.text.contains(if language == Language::Zh {
                "其他原因"
            } else {
                "Reason: other"
            }));
        }
    }

    #[test]
    fn what_is_not_known_takes_no_room() {
        let words = render(Kind::Team, Language::En, &Facts { messages: Vec::new(), ..facts() });
        assert!(words.text.contains("No messages yet") && words.html.contains("No messages yet"));
        assert!(
            !words.text.contains("Customer:")
                && !words.text.contains("E-mail")
                && !words.text.contains("\n\n\n"),
            "{}",
            words.text
        );
        let customer = render(
            Kind::Customer,
            Language::En,
            &Facts { promise: Some("From Monday 9:00".into()), ..facts() },
        );
        assert!(customer.text.contains("From Monday 9:00") && customer.html.contains("From Monday 9:00"));
        assert_eq!(customer.subject, "[Larkway support] We have received your request");
    }
}
