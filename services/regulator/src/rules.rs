//! From the operator's settings to the rules in force.

use crate::{RegulatorError, config::Settings};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use switchboard_domain::regulation::{ListName, PhraseFault, Rules, RulesError, RulesSource};

/// Bytes of the digest that a version shows: enough to tell the rule sets of one shop apart.
const DIGEST_BYTES: usize = 6;

/// Rules in both forms: compiled to decide with, as data to show.
#[derive(Debug)]
pub(crate) struct RulesInForce {
    pub(crate) compiled: Rules,
    pub(crate) source: RulesSource,
}

/// Compiles the settings; lists that are not set are the built-in ones. The version is still a placeholder when the
/// settings differ from the built-in rules, see [`in_force`].
///
/// # Errors
/// [`RulesError`] names list, index and reason.
pub(crate) fn compile(settings: &Settings) -> Result<RulesInForce, RulesError> {
    let builtin = RulesSource::builtin();
    let own_exceptions = !settings.exceptions.is_empty();
    let mut source = RulesSource {
        version: builtin.version,
        keywords: or_builtin(&settings.keywords, builtin.keywords),
        exceptions: or_builtin(&settings.exceptions, builtin.exceptions),
        failure_phrases: or_builtin(&settings.failure_phrases, builtin.failure_phrases),
        failure_threshold: settings.failure_threshold,
        vip_auto_escalate: settings.vip_auto_escalate,
    };
    loop {
        match Rules::compile(source.clone()) {
            Ok(compiled) => return Ok(RulesInForce { compiled, source }),
            // A phrase that the operator wrote outranks a built-in exception that would silence it.
            Err(RulesError::Phrase {
                list: ListName::Exceptions,
                index,
                fault: PhraseFault::Silences { .. },
            }) if !own_exceptions => {
                source.exceptions.remove(index);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Compiles the settings and names them: `builtin-…` when they say what the built-in rules say, else `config-` and a
/// digest, so that replicas with the same settings name them alike.
///
/// # Errors
/// [`RegulatorError::Rules`] when they cannot be used.
pub(crate) fn in_force(settings: &Settings) -> Result<RulesInForce, RegulatorError> {
    let rules = compile(settings)?;
    if rules.source == RulesSource::builtin() {
        return Ok(rules);
    }
    let source = RulesSource { version: String::new(), ..rules.source };
    let version = format!("config-{}", digest(&serde_json::to_vec(&source)?));
    let source = RulesSource { version, ..source };
    Ok(RulesInForce { compiled: Rules::compile(source.clone())?, source })
}

fn or_builtin(own: &[String], builtin: Vec<String>) -> Vec<String> {
    if own.is_empty() { builtin } else { own.to_vec() }
}

fn digest(document: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * DIGEST_BYTES);
    for byte in Sha256::digest(document).iter().take(DIGEST_BYTES) {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
    }
    hex
}
