//! Access tokens of Coze: one for each session, because the session's name in the token is what keeps customers apart.

use super::NAME;
use crate::{CozeConfig, Limits, ModelError, SessionName, excerpt::Hidden, http, wire};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use moka::future::Cache;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::{fmt, fmt::Write as _, sync::Arc, time::Duration};
use switchboard_domain::{Clock, Rng, Timestamp};

/// An access token, and until when we use it.
#[derive(Debug, Clone)]
pub(super) struct Token {
    secret: SecretString,
    good_until: Timestamp,
}

impl Token {
    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }
}

/// Gets tokens, keeps them, never asks twice at once for one session.
pub(super) struct Tokens {
    cache: Cache<SessionName, Token>,
    client: Client,
    url: Url,
    limits: Limits,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    key: EncodingKey,
    header: Header,
    client_id: String,
    audience: String,
    assertion_lifetime: Duration,
    token_lifetime: Duration,
    cache_lifetime: Duration,
    margin: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("audience", &self.audience)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    session_name: &'a str,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    expires_in: i64,
}

impl Tokens {
    pub(super) fn build(
        config: &CozeConfig,
        base: &Url,
        client: Client,
        limits: Limits,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, ModelError> {
        let url = wire::address(base, &["api", "permission", "oauth2", "token"]);
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(config.public_key_id.clone());
        Ok(Self {
            cache: Cache::builder()
                .max_capacity(config.token_cache_capacity)
                .time_to_live(config.token_cache_lifetime)
                .build(),
            client,
            url: url.ok_or(ModelError::Misconfigured { hint: "model.coze.base_url" })?,
            limits,
            clock,
            rng,
            key: read_key(config)?,
            header,
            client_id: config.client_id.clone(),
            audience: audience(base),
            assertion_lifetime: config.assertion_lifetime,
            token_lifetime: config.token_lifetime,
            cache_lifetime: config.token_cache_lifetime,
            margin: config.token_margin,
        })
    }

    /// A token for this session: the kept one while it is good, else a new one. Callers that ask at the same time
    /// share one grant, and share its failure.
    pub(super) async fn get(&self, session: &SessionName) -> Result<Token, ModelError> {
        loop {
            let entry = self.cache.entry_by_ref(session).or_try_insert_with(self.grant(session)).await;
            let entry = entry.map_err(|error| ModelError::clone(&error))?;
            let fresh = entry.is_fresh();
            let token = entry.into_value();
            if fresh || self.clock.now() < token.good_until {
                return Ok(token);
            }
            self.forget(session, &token).await;
        }
    }

    /// Drops this token, unless another took its place already.
    pub(super) async fn forget(&self, session: &SessionName, token: &Token) {
        use moka::ops::compute::Op;
        let stale = token.secret.expose_secret();
        let drop_it = async |entry: Option<moka::Entry<SessionName, Token>>| match entry {
            Some(entry) if entry.value().secret.expose_secret() == stale => Op::Remove,
            _ => Op::Nop,
        };
        self.cache.entry_by_ref(session).and_compute_with(drop_it).await;
    }

    /// Sessions with a kept token, roughly.
    pub(super) fn count(&self) -> u64 {
        self.cache.entry_count()
    }

    async fn grant(&self, session: &SessionName) -> Result<Token, ModelError> {
        let outcome = self.ask(session).await;
        let class = outcome.as_ref().map_or_else(ModelError::class, |_| "ok");
        metrics::counter!("switchboard_model_token_grants_total", "provider" => NAME, "outcome" => class)
            .increment(1);
        outcome
    }

    async fn ask(&self, session: &SessionName) -> Result<Token, ModelError> {
        let body = serde_json::json!({
            "duration_seconds": self.token_lifetime.as_secs(),
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        });
        let assertion = self.sign(session)?;
        let request = self.client.post(self.url.clone()).bearer_auth(&assertion).json(&body);
        let response = request.send().await.map_err(|error| http::transport(NAME, error))?;
        let hidden = Hidden::default().and(&assertion);
        let (head, body) = super::Head::split(response, &self.limits).await?;
        match head.status {
            200 => {}
            400..=403 => {
                head.refusal(&body, &hidden);
                return Err(ModelError::Unauthorized);
            }
            _ => return Err(head.refusal(&body, &hidden)),
        }
        let Ok(granted) = serde_json::from_slice::<Granted>(&body) else {
            return Err(ModelError::BadReply); // not logged: what is in there may be a token
        };
        let now = self.clock.now();
        let ends = ends_at(granted.expires_in, now);
        let margin = i64::try_from(self.margin.as_millis()).unwrap_or(i64::MAX);
        let renew_at = Timestamp::from_millis(ends.millis().saturating_sub(margin));
        let good_until = renew_at.min(now.plus(self.cache_lifetime));
        Ok(Token { secret: granted.access_token, good_until })
    }

    /// The assertion: good for one grant, for a short time, for this session only.
    fn sign(&self, session: &SessionName) -> Result<String, ModelError> {
        let now = self.clock.now();
        let mut chance = [0_u8; 16];
        self.rng.fill(&mut chance);
        let mut jti = String::with_capacity(32);
        for byte in chance {
            let _ = write!(jti, "{byte:02x}"); // writing to a String cannot fail
        }
        let claims = Claims {
            iss: &self.client_id,
            aud: &self.audience,
            iat: now.seconds(),
            exp: now.plus(self.assertion_lifetime).seconds(),
            jti,
            session_name: session.as_str(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(|_| unusable_key())
    }
}

/// `expires_in` is an absolute time in Unix seconds, against its name. A value below ten years can only be a duration
/// and is read as one, should the vendor ever correct it.
fn ends_at(expires_in: i64, now: Timestamp) -> Timestamp {
    const TEN_YEARS: i64 = 315_360_000;
    let seconds = if expires_in < TEN_YEARS { now.seconds().saturating_add(expires_in) } else { expires_in };
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

/// Whom the assertion is for: Coze's own name, or host and port of whatever stands in its place.
fn audience(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    for (domain, audience) in [("coze.cn", "api.coze.cn"), ("coze.com", "api.coze.com")] {
        if host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.')) {
            return audience.to_owned();
        }
    }
    wire::authority(base)
}

fn unusable_key() -> ModelError {
    ModelError::Misconfigured { hint: "model.coze.private_key is no RSA private key in PEM" }
}

fn read_key(config: &CozeConfig) -> Result<EncodingKey, ModelError> {
    let pem = match (&config.private_key, &config.private_key_file) {
        (Some(pem), _) if !pem.expose_secret().is_empty() => pem.expose_secret().replace("\\n", "\n").into(),
        (_, Some(path)) if !path.as_os_str().is_empty() => {
            let read = std::fs::read_to_string(path);
            SecretString::from(read.map_err(|error| {
                tracing::error!(error.cause = %error, file.path = %path.display(), "private key not read");
                ModelError::Misconfigured { hint: "model.coze.private_key_file cannot be read" }
            })?)
        }
        _ => return Err(ModelError::Misconfigured { hint: "model.coze.private_key or private_key_file" }),
    };
    EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| unusable_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences() {
        for (base, expected) in [
            ("https://api.coze.com", "api.coze.com"),
            ("https://api.coze.cn/", "api.coze.cn"),
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("https://coze.example", "coze.example"),
            ("https://notcoze.com", "notcoze.com"),
        ] {
            assert_eq!(audience(&Url::parse(base).unwrap()), expected);
        }
    }

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
    }

    impl Rng for Still {
        fn fill(&self, _: &mut [u8]) {}
    }

    fn tokens() -> Tokens {
        Tokens {
            cache: Cache::new(10),
            client: Client::default(),
            url: Url::parse("http://127.0.0.1:1").unwrap(),
            limits: Limits { answer_bytes: 0, line_bytes: 0, stream_bytes: 0 },
            clock: Arc::new(Still),
            rng: Arc::new(Still),
            key: EncodingKey::from_secret(&[]),
            header: Header::new(Algorithm::RS256),
            client_id: String::new(),
            audience: String::new(),
            assertion_lifetime: Duration::ZERO,
            token_lifetime: Duration::ZERO,
            cache_lifetime: Duration::ZERO,
            margin: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn a_late_refusal_of_the_old_token_does_not_drop_the_new_one() {
        let token = |secret: &str| Token { secret: secret.into(), good_until: Timestamp::from_millis(1) };
        let (tokens, session) = (tokens(), SessionName::parse("alice").unwrap());
        tokens.cache.insert(session.clone(), token("new")).await;
        tokens.forget(&session, &token("old")).await;
        assert_eq!(tokens.get(&session).await.unwrap().secret.expose_secret(), "new");
        tokens.forget(&session, &token("new")).await;
        assert!(tokens.cache.get(&session).await.is_none());
    }

    #[test]
    fn expires_in_is_a_point_in_time() {
        let now = Timestamp::from_millis(1_763_000_000_500);
        assert_eq!(ends_at(1_763_000_900, now), Timestamp::from_millis(1_763_000_900_000));
        assert_eq!(ends_at(900, now), Timestamp::from_millis(1_763_000_900_000));
    }
}
