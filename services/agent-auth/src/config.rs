//! What an operator can set.

use crate::{account::Username, password, schedule::Schedule};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::time::Duration;
use switchboard_boot::Configured;

/// The configuration of agent-auth.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[agent_auth]`.
    pub agent_auth: Settings,
}

/// Table `[agent_auth]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Claim `iss` of every token.
    pub issuer: String,
    /// How long a visitor token is valid.
    #[serde(with = "humantime_serde")]
    pub visitor_token_life: Duration,
    /// How long a verifier may keep the public keys.
    #[serde(with = "humantime_serde")]
    pub jwks_max_age: Duration,
    /// How long a key signs before the next one does.
    #[serde(with = "humantime_serde")]
    pub key_rotation: Duration,
    /// How often a replica looks for keys that others made or took away.
    #[serde(with = "humantime_serde")]
    pub key_refresh: Duration,
    /// Username of the first admin.
    pub admin_username: String,
    /// Password of the first admin; empty: a random one, told once.
    pub admin_password: SecretString,
    /// How often making the first key and the first admin is attempted.
    pub start_attempts: u32,
    /// Pause between two of these attempts.
    #[serde(with = "humantime_serde")]
    pub start_pause: Duration,
}

impl Settings {
    /// The password that the operator chose for the first admin.
    pub(crate) fn chosen_password(&self) -> Option<&SecretString> {
        Some(&self.admin_password).filter(|password| !password.expose_secret().is_empty())
    }
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["agent_auth"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let settings = &self.agent_auth;
        let mut problems = Vec::new();
        if settings.issuer.trim().is_empty() {
            problems.push(("agent_auth.issuer", "must not be empty".to_owned()));
        }
        for (key, duration) in [
            ("agent_auth.visitor_token_life", settings.visitor_token_life),
            ("agent_auth.jwks_max_age", settings.jwks_max_age),
            ("agent_auth.key_refresh", settings.key_refresh),
        ] {
            if duration < Duration::from_secs(1) {
                problems.push((key, "at least 1s".to_owned()));
            }
        }
        let lead = Schedule::new(settings).lead();
        if settings.key_rotation < 2 * lead {
            let least = format!("at least {} s: twice jwks_max_age and key_refresh", 2 * lead.as_secs());
            problems.push(("agent_auth.key_rotation", least));
        }
        if Username::parse(&settings.admin_username).is_none() {
            problems.push(("agent_auth.admin_username", Username::RULE.to_owned()));
        }
        if let Some(password) = settings.chosen_password()
            && !password::is_acceptable(password)
        {
            problems.push(("agent_auth.admin_password", password::RULE.to_owned()));
        }
        if settings.start_attempts == 0 {
            problems.push(("agent_auth.start_attempts", "at least 1".to_owned()));
        }
        problems
    }
}
