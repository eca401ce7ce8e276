//! The vendor's OAuth: a signed assertion in, an opaque token with an absolute end out.

use super::{CLIENT_ID, PUBLIC_KEY_ID, Token, Vendor, broken};
use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use axum::{
    Json,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

/// The key pair that is registered at every fake of this process.
pub(super) struct TestKey {
    pem: String,
    public: Vec<u8>,
}

impl TestKey {
    fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key pair");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("the key as PKCS#8");
        let text = STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            let _ = writeln!(pem, "{}", String::from_utf8_lossy(line)); // writing to a String cannot fail
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Self { pem, public: pair.public_key().as_ref().to_vec() }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }
}

/// The registered key.
pub(super) fn key() -> &'static TestKey {
    static KEY: LazyLock<TestKey> = LazyLock::new(TestKey::generate);
    &KEY
}

/// What can be wrong, in the vendor's form.
fn refused(code: &str, message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error_code": code, "error_message": message }))).into_response()
}

pub(super) async fn grant(Shared(vendor): Shared<Arc<Vendor>>, headers: HeaderMap, body: Bytes) -> Response {
    vendor.state.lock().calls.grant_calls += 1;
    if let Some(response) = broken(vendor.grant.take().as_ref()).await {
        return response;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if body["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return refused("unsupported_grant_type", "unsupported grant type");
    }
    let Some(asked) = body["duration_seconds"].as_i64().filter(|seconds| (1..=86_399).contains(seconds))
    else {
        return refused("invalid_request", "invalid request: duration_seconds");
    };
    let assertion =
        headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let checked = assertion.ok_or("no jwt").and_then(|assertion| check(&vendor, assertion));
    let mut state = vendor.state.lock();
    let (session, jti) = match checked {
        Ok(checked) => checked,
        Err(reason) => {
            state.calls.refused_grants.push(reason.to_owned());
            return refused("invalid_client", &format!("invalid jwt: {reason}"));
        }
    };
    if !state.used_assertions.insert(jti) {
        state.calls.refused_grants.push("jti used".to_owned());
        return refused("invalid_client", "invalid jwt: jti has been used");
    }
    let life = asked.min(i64::try_from(state.token_life.as_secs()).expect("a short life"));
    let token = opaque();
    let ends_at = vendor.now() + life;
    state.tokens.insert(token.clone(), Token { session: session.clone(), ends_at });
    state.calls.grants.push(session);
    Json(json!({ "access_token": token, "expires_in": ends_at, "token_type": "Bearer" })).into_response()
}

/// Checks the assertion as the vendor does; gives its session name and its id.
fn check(vendor: &Vendor, assertion: &str) -> Result<(String, String), &'static str> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("not three parts")?;
    let (header, claims) = signed.split_once('.').ok_or("not three parts")?;
    let json =
        |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let header = json(header).ok_or("header is no JSON")?;
    if header["alg"] != "RS256" || header["typ"] != "JWT" {
        return Err("alg or typ");
    }
    if header["kid"] != PUBLIC_KEY_ID {
        return Err("kid not been registred");
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "signature is no base64url")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key().public)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "signature")?;
    let claims = json(claims).ok_or("claims are no JSON")?;
    let audiences = ["api.coze.com".to_owned(), "api.coze.cn".to_owned(), vendor.address.to_string()];
    if claims["iss"] != CLIENT_ID {
        return Err("iss");
    }
    if !claims["aud"].as_str().is_some_and(|aud| audiences.iter().any(|known| known == aud)) {
        return Err("aud");
    }
    let (iat, exp) = (claims["iat"].as_i64().ok_or("iat")?, claims["exp"].as_i64().ok_or("exp")?);
    if exp <= vendor.now() || exp - iat > 86_400 || iat > vendor.now() + 60 {
        return Err("iat or exp");
    }
    let jti = claims["jti"].as_str().filter(|jti| jti.len() >= 16).ok_or("jti")?;
    let session =
        claims.get("session_name").map_or(Some(""), Value::as_str).ok_or("session_name")?.to_owned();
    Ok((session, jti.to_owned()))
}

fn opaque() -> String {
    let mut chance = [0_u8; 24];
    rand::fill(&mut chance).expect("random bytes");
    format!("czs_{}", URL_SAFE_NO_PAD.encode(chance))
}
