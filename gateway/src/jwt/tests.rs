//! Every way to forge a visitor token that we know of.

use super::*;
use crate::testing::{
    START_MS, settings,
    token::{Key, claims, hs256},
};
use serde_json::json;

const SECRET: &str = "a shop secret of 32 bytes or more";

struct Bench {
    key: Key,
    keys: KeySet,
    verifier: Verifier,
}

fn bench() -> Bench {
    let key = Key::generate("k1");
    let keys = KeySet::parse(&json!({ "keys": [key.jwk()] }).to_string()).unwrap();
    Bench { key, keys, verifier: Verifier::new(&settings().visitor, &settings().agent) }
}

fn shop_bench() -> Bench {
    let mut visitor = settings().visitor;
    visitor.shop_issuer = "shop".into();
    visitor.shop_secret = SECRET.to_owned().into();
    Bench { verifier: Verifier::new(&visitor, &settings().agent), ..bench() }
}

impl Bench {
    fn verify(&self, token: &str) -> Result<Verified, Rejected> {
        match self.verifier.verify(token, &self.keys, Timestamp::from_millis(START_MS))? {
            Token::Visitor(verified) => Ok(verified),
            Token::Agent(token) => panic!("an agent's token: {token:?}"),
        }
    }

    fn with_header(&self, name: &str, value: Value) -> Result<Verified, Rejected> {
        let mut header = self.key.header();
        header[name] = value;
        self.verify(&self.key.sign(&header, &claims("alice")))
    }

    fn with_claim(&self, name: &str, value: Value) -> Result<Verified, Rejected> {
        let mut claims = claims("alice");
        claims[name] = value;
        self.verify(&self.key.sign(&self.key.header(), &claims))
    }

    fn without_claim(&self, name: &str) -> Result<Verified, Rejected> {
        let mut claims = claims("alice");
        claims.as_object_mut().unwrap().remove(name);
        self.verify(&self.key.sign(&self.key.header(), &claims))
    }
}

#[test]
fn a_right_token_tells_whose_session_it_is() {
    let verified = bench().verify(&bench().key.token("alice"));
    assert_eq!(verified, Err(Rejected::Signature), "two benches have two keys");
    let bench = bench();
    let mut said = claims("alice");
    said["vip"] = true.into();
    said["name"] = "王小明".into();
    said["language"] = "zh-CN".into();
    let verified = bench.verify(&bench.key.sign(&bench.key.header(), &said)).unwrap();
    assert_eq!(verified.session.as_str(), "alice");
    assert_eq!(verified.signer, Signer::Switchboard);
    let profile = verified.profile.unwrap();
    assert_eq!((profile.vip, profile.nickname.as_deref()), (true, Some("王小明")));
    assert_eq!(profile.language, Some(Language::Zh));
    assert_eq!(bench.verify(&bench.key.token("bob")).unwrap().profile, None);
}

#[test]
fn forged_headers_are_refused() {
    let bench = bench();
    let refused = [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", json!("eddsa")),
        ("alg", json!(["EdDSA"])),
        ("alg", json!(null)),
        ("typ", json!("JWT")),
        ("typ", json!("VISITOR+JWT")),
        ("typ", json!("application/visitor+jwt")),
        ("typ", json!(null)),
        ("typ", json!(["visitor+jwt"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("jku", json!("https://evil.example.com/jwks")),
        ("x5u", json!("https://evil.example.com/cert")),
        ("x5c", json!(["AAAA"])),
        ("jwk", Key::generate("k1").jwk()),
        ("kid", json!(["k1"])),
        ("kid", json!(null)),
    ];
    for (name, value) in refused {
        assert_eq!(bench.with_header(name, value.clone()), Err(Rejected::Header), "{name}: {value}");
    }
    // The type of another kind of token brings its rules with it.
    assert_eq!(bench.with_header("typ", json!("at+jwt")), Err(Rejected::Claim("aud")));
    for kid in ["", "k2", "../k1", "k1\0", "K1"] {
        assert_eq!(bench.with_header("kid", json!(kid)), Err(Rejected::UnknownKey), "{kid}");
    }
}

#[test]
fn wrong_claims_are_refused() {
    let bench = bench();
    let now = START_MS / 1000;
    let day = 24 * 3600;
    let refused = [
        ("iss", json!("evil")),
        ("iss", json!(["switchboard"])),
        ("iss", json!(["evil", "switchboard"])),
        ("iss", json!(null)),
        ("iss", json!("")),
        ("aud", json!("agent")),
        ("aud", json!(["visitor"])),
        ("aud", json!({"visitor": true})),
        ("aud", json!(1)),
        ("aud", json!(null)),
        ("sub", json!("")),
        ("sub", json!("a b")),
        ("sub", json!("a/../b")),
        ("sub", json!("x".repeat(129))),
        ("sub", json!(7)),
        ("sub", json!(["alice"])),
        ("exp", json!((now + day).to_string())),
        ("exp", json!(f64::from(2_000_000_000) + 0.5)),
        ("exp", json!(1e18)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(-1)),
        ("exp", json!(0)),
        ("exp", json!(null)),
        ("exp", json!(now + 8 * day)),
        ("iat", json!(now + 60)),
        ("iat", json!(now + 3650 * day)),
        ("iat", json!(now - 3650 * day)),
        ("iat", json!(now.to_string())),
        ("nbf", json!(now + 3600)),
        ("nbf", json!((now - 1).to_string())),
        ("nbf", json!(null)),
        ("vip", json!("true")),
        ("vip", json!(1)),
        ("name", json!(["x"])),
        ("name", json!("x".repeat(101))),
        ("name", json!("a\r\nb")),
        ("email", json!(7)),
    ];
    for (name, value) in refused {
        // Some of them the library itself cannot read.
        let outcome = bench.with_claim(name, value.clone());
        assert!(
            matches!(outcome, Err(Rejected::Claim(_) | Rejected::Malformed)),
            "{name}: {value}: {outcome:?}"
        );
    }
    assert_eq!(bench.with_claim("exp", json!(now - 30)), Err(Rejected::Expired));
    for name in ["iss", "aud", "sub", "exp", "iat", "nbf"] {
        assert_eq!(bench.without_claim(name), Err(Rejected::Claim(name)), "{name}");
    }
}

#[test]
fn clocks_may_differ_a_little() {
    let bench = bench();
    let now = START_MS / 1000;
    assert!(bench.with_claim("nbf", json!(now + 4)).is_ok());
    let mut claims = claims("alice");
    claims["exp"] = json!(now - 4);
    claims["iat"] = json!(now - 60);
    assert!(bench.verify(&bench.key.sign(&bench.key.header(), &claims)).is_ok());
}

#[test]
fn what_is_no_token_is_refused() {
    let bench = bench();
    let token = bench.key.token("alice");
    let (head, signature) = token.rsplit_once('.').unwrap();
    for bad in ["", ".", "..", "a.b.c", "....", head, &format!("{token}.x"), &format!("{token}="), "ey.ey.ey"]
    {
        assert!(matches!(bench.verify(bad), Err(Rejected::Malformed | Rejected::Header)), "{bad}");
    }
    assert_eq!(bench.verify(&format!("{head}.")), Err(Rejected::Signature));
    assert_eq!(
        bench.verify(&format!("{head}.{}A", &signature[..signature.len() - 4])),
        Err(Rejected::Signature)
    );
    assert_eq!(bench.verify(&format!("{token}{}", "A".repeat(5000))), Err(Rejected::TooLong));
    // Claims of one token under the signature of another.
    let other = bench.key.token("bob");
    let parts: Vec<&str> = token.split('.').collect();
    let others: Vec<&str> = other.split('.').collect();
    let mixed = format!("{}.{}.{}", parts[0], others[1], parts[2]);
    assert_eq!(bench.verify(&mixed), Err(Rejected::Signature));
    let stranger = Key::generate("k1");
    assert_eq!(bench.verify(&stranger.token("alice")), Err(Rejected::Signature));
    for text in ["[]", "\"x\"", "1", "null", "{", ""] {
        let token = bench.key.sign_text(&bench.key.header().to_string(), text);
        assert_eq!(bench.verify(&token), Err(Rejected::Malformed), "{text}");
        assert_eq!(bench.verify(&bench.key.sign_text(text, "{}")), Err(Rejected::Malformed), "{text}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let bench = shop_bench();
    let header = json!({ "alg": "HS256", "typ": "visitor+jwt", "kid": "k1" });
    let forged = hs256(&bench.key.public(), &header, &claims("alice"));
    assert_eq!(bench.verify(&forged), Err(Rejected::Signature));
}

#[test]
fn the_shop_signs_for_itself_only() {
    let bench = shop_bench();
    let now = START_MS / 1000;
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let said = json!({
        "iss": "shop", "aud": "visitor", "sub": "alice", "iat": now, "exp": now + 3600, "email": "a@example.com"
    });
    let verified = bench.verify(&hs256(SECRET.as_bytes(), &header, &said)).unwrap();
    assert_eq!((verified.signer, verified.session.as_str()), (Signer::Shop, "alice"));
    assert_eq!(verified.profile.unwrap().email.as_deref(), Some("a@example.com"));
    // Not in our name, not for longer than a day, not with another type, not with our key.
    let with = |name: &str, value: Value| {
        let mut said = said.clone();
        said[name] = value;
        bench.verify(&hs256(SECRET.as_bytes(), &header, &said))
    };
    assert_eq!(with("iss", json!("switchboard")), Err(Rejected::Claim("iss")));
    assert_eq!(with("exp", json!(now + 25 * 3600)), Err(Rejected::Claim("exp")));
    assert_eq!(with("aud", json!("agent")), Err(Rejected::Claim("aud")));
    assert_eq!(with("nbf", json!(now + 600)), Err(Rejected::Claim("nbf")));
    let typed = json!({ "alg": "HS256", "typ": "at+jwt" });
    assert_eq!(bench.verify(&hs256(SECRET.as_bytes(), &typed, &said)), Err(Rejected::Header));
    assert_eq!(bench.verify(&bench.key.sign(&bench.key.header(), &said)), Err(Rejected::Claim("iss")));
    assert_eq!(
        bench.verify(&hs256(b"another secret of 32 bytes or more", &header, &said)),
        Err(Rejected::Signature)
    );
    // Without a secret there are no shop tokens.
    assert_eq!(self::bench().verify(&hs256(b"", &header, &said)), Err(Rejected::Header));
}

#[test]
fn only_signature_keys_of_our_kind_are_taken() {
    let good = Key::generate("k1").jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        KeySet::parse(&json!({ "keys": [jwk] }).to_string()).unwrap().is_empty()
    };
    assert!(!with("kid", json!("k2")));
    for (name, value) in [
        ("kty", json!("oct")),
        ("crv", json!("X25519")),
        ("alg", json!("HS256")),
        ("use", json!("enc")),
        ("kid", json!("")),
        ("x", json!("*")),
    ] {
        assert!(with(name, value.clone()), "{name}: {value}");
    }
    assert!(KeySet::parse("{}").is_none() && KeySet::parse("[").is_none());
}
