//! Names that existing installations have in their environment, as keys of ours: weaker than `SWITCHBOARD__…`, stronger
//! than the file. An empty value is no value.

use std::collections::BTreeMap;

/// How a value is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As our key is written.
    Same,
    /// `true`, `True`, `1`, `yes`, `on`; anything else is no.
    Flag,
}

const ALIASES: [(&str, &str, Form); 26] = [
    ("HUMAN_SHIFT_START", "hours.shift_start", Form::Same),
    ("HUMAN_SHIFT_END", "hours.shift_end", Form::Same),
    ("TIMEZONE", "hours.time_zone", Form::Same),
    ("WEEKENDS_DISABLED", "hours.weekends_disabled", Form::Flag),
    ("HOLIDAYS", "hours.holidays", Form::Same),
    ("REGULATOR_KEYWORDS", "regulator.keywords", Form::Same),
    ("REGULATOR_AI_FAIL_KEYWORDS", "regulator.failure_phrases", Form::Same),
    ("REGULATOR_FAIL_THRESHOLD", "regulator.failure_threshold", Form::Same),
    ("REGULATOR_VIP_AUTO_ESCALATE", "regulator.vip_auto_escalate", Form::Flag),
    ("SMTP_HOST", "notifier.mail.host", Form::Same),
    ("SMTP_PORT", "notifier.mail.port", Form::Same),
    ("SMTP_USERNAME", "notifier.mail.username", Form::Same),
    ("SMTP_PASSWORD", "notifier.mail.password", Form::Same),
    ("EMAIL_RECIPIENTS", "notifier.mail.recipients", Form::Same),
    ("EMAIL_FROM_NAME", "notifier.mail.from_name", Form::Same),
    ("COZE_API_BASE", "model.coze.base_url", Form::Same),
    ("COZE_WORKFLOW_ID", "model.coze.workflow_id", Form::Same),
    ("COZE_APP_ID", "model.coze.app_id", Form::Same),
    ("COZE_OAUTH_CLIENT_ID", "model.coze.client_id", Form::Same),
    ("COZE_OAUTH_PUBLIC_KEY_ID", "model.coze.public_key_id", Form::Same),
    ("COZE_OAUTH_PRIVATE_KEY", "model.coze.private_key", Form::Same),
    ("COZE_OAUTH_PRIVATE_KEY_FILE", "model.coze.private_key_file", Form::Same),
    ("COZE_BOT_NAME", "bot.name", Form::Same),
    ("COZE_BOT_DESCRIPTION", "bot.description", Form::Same),
    ("COZE_BOT_ICON_URL", "bot.icon_url", Form::Same),
    ("COZE_BOT_WELCOME", "bot.welcome", Form::Same),
];

/// One key of ours that the environment sets by an older name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aliased {
    pub(super) key: &'static str,
    pub(super) text: String,
    /// The older name.
    pub(super) name: &'static str,
}

/// What the environment says by older names.
pub(super) fn aliased(environment: &[(String, String)]) -> Vec<Aliased> {
    let set: BTreeMap<&str, &str> = environment
        .iter()
        .map(|(name, text)| (name.as_str(), text.trim()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let plain = ALIASES.iter().filter_map(|(name, key, form)| {
        let text = *set.get(name)?;
        let text = match form {
            Form::Same => text.to_owned(),
            Form::Flag => is_yes(text).to_string(),
        };
        Some(Aliased { key, text, name })
    });
    plain.chain(derived(&set)).collect()
}

/// What older names only imply.
fn derived(set: &BTreeMap<&str, &str>) -> Vec<Aliased> {
    let mut found = Vec::new();
    if set.contains_key("COZE_WORKFLOW_ID") {
        let (key, name) = ("model.providers", "COZE_WORKFLOW_ID");
        found.push(Aliased { key, text: "coze".into(), name });
    }
    // Port 465 is TLS from the first byte; on others TLS is begun unless it is said not to.
    let port = set.get("SMTP_PORT").copied();
    let begun = set.get("SMTP_USE_TLS").is_none_or(|text| is_yes(text));
    if port.is_some() || set.contains_key("SMTP_USE_TLS") {
        let text = match (port.unwrap_or("465"), begun) {
            ("465", _) => "implicit",
            (_, true) => "starttls",
            (_, false) => "none",
        };
        let name = if set.contains_key("SMTP_USE_TLS") { "SMTP_USE_TLS" } else { "SMTP_PORT" };
        found.push(Aliased { key: "notifier.mail.tls", text: text.into(), name });
    }
    found
}

fn is_yes(text: &str) -> bool {
    ["true", "1", "yes", "on"].iter().any(|yes| yes.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigProblem, Sources, Tree};
    use figment::value::Value;

    fn load(pairs: &[(&str, &str)]) -> (Tree, Vec<ConfigProblem>) {
        let environment = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut problems = Vec::new();
        let tree = Tree::load(&Sources { environment, ..Sources::default() }, &mut problems);
        (tree, problems)
    }

    fn value(tree: &Tree, key: &str) -> Value {
        crate::config::lookup(&tree.values, key).expect("a key of the defaults").clone()
    }

    #[test]
    fn every_older_name_means_a_key_that_there_is() {
        let (tree, _) = load(&[]);
        for (name, key, form) in ALIASES {
            let value = value(&tree, key);
            assert_eq!(matches!(value, Value::Bool(..)), form == Form::Flag, "{name} -> {key}");
        }
        let mut names: Vec<&str> = ALIASES.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALIASES.len());
    }

    #[test]
    fn older_names_are_read_and_ours_win() {
        let (tree, problems) = load(&[
            ("HUMAN_SHIFT_START", "08:30"),
            ("HUMAN_SHIFT_END", "17:00"),
            ("SWITCHBOARD__HOURS__SHIFT_END", "20:00"),
            ("WEEKENDS_DISABLED", "False"),
            ("HOLIDAYS", "2026-12-25, 2026-12-26"),
            ("TIMEZONE", ""),
            ("REGULATOR_FAIL_THRESHOLD", "5"),
            ("COZE_WORKFLOW_ID", "7379"),
        ]);
        assert_eq!(problems, []);
        assert_eq!(value(&tree, "hours.shift_start").as_str(), Some("08:30"));
        assert_eq!(value(&tree, "hours.shift_end").as_str(), Some("20:00"));
        assert_eq!(value(&tree, "hours.time_zone").as_str(), Some("Asia/Shanghai"));
        assert_eq!(value(&tree, "hours.weekends_disabled").to_bool(), Some(false));
        let holidays = value(&tree, "hours.holidays").into_array().expect("a list");
        assert_eq!(
            holidays.iter().filter_map(Value::as_str).collect::<Vec<_>>(),
            ["2026-12-25", "2026-12-26"]
        );
        assert_eq!(value(&tree, "regulator.failure_threshold").to_u128(), Some(5));
        assert_eq!(value(&tree, "model.coze.workflow_id").as_str(), Some("7379"));
        assert_eq!(value(&tree, "model.providers").into_array().map(|list| list.len()), Some(1));
    }

    #[test]
    fn how_mail_is_encrypted_follows_the_port() {
        for (pairs, tls) in [
            (&[("SMTP_PORT", "465")][..], "implicit"),
            (&[("SMTP_PORT", "587")][..], "starttls"),
            (&[("SMTP_PORT", "25"), ("SMTP_USE_TLS", "false")][..], "none"),
            (&[("SMTP_PORT", "587"), ("SMTP_USE_TLS", "True")][..], "starttls"),
            (&[("SMTP_USE_TLS", "false")][..], "implicit"),
        ] {
            let (tree, problems) = load(pairs);
            assert_eq!(problems, []);
            assert_eq!(value(&tree, "notifier.mail.tls").as_str(), Some(tls), "{pairs:?}");
        }
    }
}
