//! One signing key: made, stored, read back.

use crate::{AgentAuthError, schedule::Life};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use switchboard_domain::Timestamp;

/// The only algorithm.
pub(crate) const ALGORITHM: &str = "EdDSA";

/// A key about to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    pub(crate) kid: String,
    /// PKCS#8 DER in base64.
    pub(crate) private_key: SecretString,
    pub(crate) public_x: String,
    pub(crate) created_at: Timestamp,
    pub(crate) not_before: Timestamp,
}

/// A row of `signing_key`.
#[derive(sqlx::FromRow)]
pub(crate) struct KeyRow {
    kid: String,
    generation: i64,
    private_key: String,
    public_x: String,
    not_before: i64,
    retired_at: Option<i64>,
}

/// A key ready to sign.
#[derive(Debug, Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) generation: i64,
    pub(crate) life: Life,
    pub(crate) private: EncodingKey,
    public_x: String,
}

/// A public key as RFC 7517 and RFC 8037 write it.
#[derive(Debug, Serialize)]
pub(crate) struct Jwk<'a> {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    kid: &'a str,
    x: &'a str,
}

impl NewKey {
    /// Makes a key. Chance comes from the cryptography library, whose generator is made for keys.
    ///
    /// # Errors
    /// [`AgentAuthError::NewKey`] when the system gives no random numbers.
    pub(crate) fn make(now: Timestamp, not_before: Timestamp) -> Result<Self, AgentAuthError> {
        let pair = Ed25519KeyPair::generate()?;
        let private_key = STANDARD.encode(pair.to_pkcs8v1()?).into();
        let public_x = public_x(&pair);
        Ok(Self { kid: thumbprint(&public_x), private_key, public_x, created_at: now, not_before })
    }
}

impl TryFrom<KeyRow> for SigningKey {
    type Error = AgentAuthError;
    fn try_from(row: KeyRow) -> Result<Self, AgentAuthError> {
        let private_key = SecretString::from(row.private_key);
        let pkcs8 = STANDARD.decode(private_key.expose_secret()).ok();
        let pair = pkcs8.as_deref().and_then(|der| Ed25519KeyPair::from_pkcs8(der).ok());
        match (pkcs8, pair) {
            (Some(pkcs8), Some(pair)) if public_x(&pair) == row.public_x => Ok(Self {
                kid: row.kid,
                generation: row.generation,
                life: Life {
                    not_before: Timestamp::from_millis(row.not_before),
                    retired_at: row.retired_at.map(Timestamp::from_millis),
                },
                private: EncodingKey::from_ed_der(&pkcs8),
                public_x: row.public_x,
            }),
            _ => Err(AgentAuthError::Key { kid: row.kid }),
        }
    }
}

impl SigningKey {
    /// The public half.
    pub(crate) fn jwk(&self) -> Jwk<'_> {
        Jwk { kty: "OKP", crv: "Ed25519", alg: ALGORITHM, purpose: "sig", kid: &self.kid, x: &self.public_x }
    }
}

fn public_x(pair: &Ed25519KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(pair.public_key())
}

/// RFC 7638: the digest of the required members in alphabetical order, so that a key has one name everywhere.
fn thumbprint(public_x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public_x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: NewKey) -> KeyRow {
        KeyRow {
            kid: key.kid,
            generation: 1,
            private_key: key.private_key.expose_secret().to_owned(),
            public_x: key.public_x,
            not_before: 0,
            retired_at: None,
        }
    }

    #[test]
    fn thumbprints_follow_the_standard() {
        // RFC 8037, appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(thumbprint(x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_stored_key_is_read_back_or_refused() {
        let now = Timestamp::from_millis(0);
        let (one, other) = (NewKey::make(now, now).unwrap(), NewKey::make(now, now).unwrap());
        assert_ne!(one.kid, other.kid);
        let read = SigningKey::try_from(row(one.clone())).unwrap();
        assert_eq!((read.kid.as_str(), read.jwk().x), (one.kid.as_str(), one.public_x.as_str()));
        for broken in [
            KeyRow { private_key: "!".into(), ..row(one.clone()) },
            KeyRow { private_key: String::new(), ..row(one.clone()) },
            KeyRow { public_x: other.public_x.clone(), ..row(one.clone()) },
        ] {
            let error = SigningKey::try_from(broken).unwrap_err();
            assert!(matches!(error, AgentAuthError::Key { kid } if kid == one.kid));
        }
    }

    #[test]
    fn a_private_key_shows_itself_to_nobody() {
        let key = NewKey::make(Timestamp::from_millis(0), Timestamp::from_millis(0)).unwrap();
        assert!(!format!("{key:?}").contains(key.private_key.expose_secret()));
        let pkcs8 = STANDARD.decode(key.private_key.expose_secret()).unwrap();
        let shown = format!("{:?}", SigningKey::try_from(row(key)).unwrap());
        assert!(shown.contains("redacted") && !shown.contains(&format!("{:?}", &pkcs8[16..24])), "{shown}");
    }
}
