//! What an operator can set.

mod desk;

pub use desk::{PresenceSettings, RosterSettings};

use crate::{account::Username, password::Policy, schedule::Schedule};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::{slice::from_ref, time::Duration};
use switchboard_boot::Configured;

/// Longest life of an access token that verifiers accept.
const ACCESS_LIFE_MAX: Duration = Duration::from_mins(15);
/// Longest time in which a refresh may be repeated.
const GRACE_MAX: Duration = Duration::from_mins(1);

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
    /// How long an access token of a person is valid.
    #[serde(with = "humantime_serde")]
    pub access_token_life: Duration,
    /// How long a ticket for an event stream may wait to be used.
    #[serde(with = "humantime_serde")]
    pub event_ticket_life: Duration,
    /// How long a refresh token may lie unused.
    #[serde(with = "humantime_serde")]
    pub refresh_idle: Duration,
    /// How long a login lasts, however much it is used.
    #[serde(with = "humantime_serde")]
    pub refresh_absolute: Duration,
    /// How long the repeat of a refresh gets the same answer.
    #[serde(with = "humantime_serde")]
    pub refresh_grace: Duration,
    /// How much longer than the tokens it names a revocation is kept.
    #[serde(with = "humantime_serde")]
    pub revocation_leeway: Duration,
    /// Least zxcvbn score of a chosen password, 0 to 4.
    pub password_score_min: u8,
    /// Passwords that are refused, beside those that are guessed easily.
    pub password_blocklist: Vec<String>,
    /// Passwords hashed at once at most; 0: as many as there are cores.
    pub hash_concurrency: usize,
    /// Passwords that may wait for that; more are refused.
    pub hash_queue: usize,
    /// After what time who was refused may try again.
    #[serde(with = "humantime_serde")]
    pub hash_retry: Duration,
    /// Failed logins to an account (or from a known device of it) before the next one has to wait.
    pub throttle_account_free: u32,
    /// Failed logins from an address before the next one has to wait.
    pub throttle_address_free: u32,
    /// The first wait; doubles with each further failure.
    #[serde(with = "humantime_serde")]
    pub throttle_delay: Duration,
    /// The longest wait.
    #[serde(with = "humantime_serde")]
    pub throttle_delay_max: Duration,
    /// After this long without an attempt failures are forgotten.
    #[serde(with = "humantime_serde")]
    pub throttle_memory: Duration,
    /// How long after its last login a device counts as known.
    #[serde(with = "humantime_serde")]
    pub device_memory: Duration,
    /// How the product is called in authenticator apps.
    pub totp_issuer: String,
    /// How long the edge may keep what an API key may do.
    #[serde(with = "humantime_serde")]
    pub api_key_max_age: Duration,
    /// How often the last use of API keys is written down.
    #[serde(with = "humantime_serde")]
    pub api_key_touch: Duration,
    /// How often what has expired is deleted.
    #[serde(with = "humantime_serde")]
    pub cleanup_interval: Duration,
    /// How often making the first key and the first admin is attempted.
    pub start_attempts: u32,
    /// Pause between two of these attempts.
    #[serde(with = "humantime_serde")]
    pub start_pause: Duration,
    /// Who is there.
    pub presence: PresenceSettings,
    /// Telling the session service.
    pub roster: RosterSettings,
}

impl Settings {
    /// The password that the operator chose for the first admin.
    pub(crate) fn chosen_password(&self) -> Option<&SecretString> {
        Some(&self.admin_password).filter(|password| !password.expose_secret().is_empty())
    }

    /// Which chosen passwords are accepted.
    pub(crate) fn policy(&self) -> Policy {
        Policy { score_min: self.password_score_min, blocklist: self.password_blocklist.clone() }
    }

    /// How long a revocation is kept: until all that it names has expired, wherever clocks stand.
    pub(crate) fn revocation_keep(&self) -> Duration {
        self.access_token_life.max(self.api_key_max_age).saturating_add(self.revocation_leeway)
    }

    fn durations(&self) -> [(&'static str, Duration); 15] {
        [
            ("agent_auth.visitor_token_life", self.visitor_token_life),
            ("agent_auth.jwks_max_age", self.jwks_max_age),
            ("agent_auth.key_refresh", self.key_refresh),
            ("agent_auth.access_token_life", self.access_token_life),
            ("agent_auth.refresh_idle", self.refresh_idle),
            ("agent_auth.refresh_absolute", self.refresh_absolute),
            ("agent_auth.revocation_leeway", self.revocation_leeway),
            ("agent_auth.hash_retry", self.hash_retry),
            ("agent_auth.throttle_delay", self.throttle_delay),
            ("agent_auth.throttle_delay_max", self.throttle_delay_max),
            ("agent_auth.throttle_memory", self.throttle_memory),
            ("agent_auth.device_memory", self.device_memory),
            ("agent_auth.api_key_max_age", self.api_key_max_age),
            ("agent_auth.api_key_touch", self.api_key_touch),
            ("agent_auth.cleanup_interval", self.cleanup_interval),
        ]
    }

    fn check_logins(&self, problems: &mut Vec<(&'static str, String)>) {
        if self.access_token_life > ACCESS_LIFE_MAX {
            problems
                .push(("agent_auth.access_token_life", "at most 15m: verifiers accept no longer one".into()));
        }
        if self.refresh_idle < self.access_token_life {
            problems.push(("agent_auth.refresh_idle", "at least access_token_life".to_owned()));
        }
        if self.refresh_absolute < self.refresh_idle {
            problems.push(("agent_auth.refresh_absolute", "at least refresh_idle".to_owned()));
        }
        if self.refresh_grace > GRACE_MAX {
            problems.push(("agent_auth.refresh_grace", "at most 1m: a thief has as long".to_owned()));
        }
        if self.password_score_min > 4 {
            problems.push(("agent_auth.password_score_min", "0 to 4".to_owned()));
        }
        if self.throttle_delay_max < self.throttle_delay {
            problems.push(("agent_auth.throttle_delay_max", "at least throttle_delay".to_owned()));
        }
        if self.throttle_memory < self.throttle_delay_max {
            problems.push(("agent_auth.throttle_memory", "at least throttle_delay_max".to_owned()));
        }
        if self.totp_issuer.is_empty() || self.totp_issuer.contains(':') {
            problems.push(("agent_auth.totp_issuer", "must not be empty, nor have a colon".to_owned()));
        }
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
        for (key, duration) in settings.durations() {
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
            && let Err(weakness) = settings.policy().judge(password, from_ref(&settings.admin_username))
        {
            problems.push(("agent_auth.admin_password", weakness.rule().to_owned()));
        }
        settings.check_logins(&mut problems);
        settings.presence.check(&mut problems);
        settings.roster.check(&mut problems);
        if settings.start_attempts == 0 {
            problems.push(("agent_auth.start_attempts", "at least 1".to_owned()));
        }
        problems
    }
}
