//! The requests that may begin a session: which session they mean, on whose behalf they are made, and how they are
//! repeated.

use crate::{
    error::Problem,
    identity::{Caller, Carrier},
    limits::Class,
    state::App,
};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use switchboard_domain::{ClientMessageId, ErrorKind, Principal, SessionName};
use switchboard_proto::common::v1::Idempotency;

/// A key this long carries the 128 bits of chance that a session name needs.
const NAMING_KEY_MIN: usize = 32;

/// A request that may begin a session.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The session it means.
    pub(crate) session: SessionName,
    /// On whose behalf it is made.
    pub(crate) principal: Principal,
    /// The browser sent the cookie of another session along.
    foreign: bool,
}

impl Opening {
    /// Finds the session: the one that the request names, else the one of the token, else a new one.
    ///
    /// # Errors
    /// 400 for what is no name, 403 for another's token, 429 for too many new sessions of one address.
    pub(crate) async fn of(
        app: &App,
        caller: &Caller,
        name: Option<&str>,
        key: Option<&ClientMessageId>,
    ) -> Result<Self, Problem> {
        let own = caller.visitor.as_ref().map(|visitor| (&visitor.token.session, visitor.carrier));
        let session = match (name, own) {
            (Some(name), _) => SessionName::parse(name)?,
            (None, Some((session, _))) => session.clone(),
            (None, None) => mint(app, key),
        };
        match own {
            Some((mine, _)) if *mine == session => {
                let principal = Principal::Visitor(session.clone());
                return Ok(Self { session, principal, foreign: false });
            }
            Some((_, Carrier::Bearer | Carrier::ApiKey)) => return Err(Problem::not_your_session()),
            // A browser sends its cookie whether the page wants it or not: a new session must not fail because of an
            // old one.
            Some((_, Carrier::Cookie)) | None => {}
        }
        app.limits.draw(Class::NewSession, caller).await?;
        Ok(Self { session, principal: Principal::Anonymous, foreign: own.is_some() })
    }

    /// A refusal for want of a token is one for the wrong token when another's was sent.
    pub(crate) fn explain(&self, problem: Problem) -> Problem {
        if self.foreign && problem.kind() == ErrorKind::Unauthenticated {
            Problem::not_your_session()
        } else {
            problem
        }
    }
}

/// A name for a session that nobody named. A repeat with the same key has to mean the same session.
fn mint(app: &App, key: Option<&ClientMessageId>) -> SessionName {
    match key.filter(|key| key.as_str().len() >= NAMING_KEY_MIN) {
        Some(key) => {
            let digest = digest(&["session", key.as_str()]);
            SessionName::parse(&format!("user_{}", &digest[..32]))
                .unwrap_or_else(|_| SessionName::mint(&*app.rng))
        }
        None => SessionName::mint(&*app.rng),
    }
}

/// What makes a command repeatable: its key, and a digest of everything in it that carries meaning.
pub(crate) fn idempotency(key: Option<&ClientMessageId>, meaning: &[&str]) -> Option<Idempotency> {
    key.map(|key| Idempotency { key: key.as_str().to_owned(), fingerprint: digest(meaning) })
}

/// SHA-256 over texts, each with its length in front, as hexadecimal digits.
fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_texts_apart() {
        assert_eq!(digest(&["ab", "c"]).len(), 64);
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a"]), digest(&["a", ""]));
    }
}
