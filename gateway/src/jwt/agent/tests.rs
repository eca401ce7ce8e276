//! Every way to forge an agent's access token that we know of.

use crate::{
    jwt::{AgentToken, KeySet, Rejected, Token, Verifier},
    testing::{
        START_MS, settings,
        token::{AGENT, Key, LOGIN, agent_claims, claims, hs256},
    },
};
use serde_json::{Value, json};
use switchboard_domain::{Permission, Permissions, Timestamp};

const SECRET: &str = "a shop secret of 32 bytes or more";
const MAY: Permissions = Permissions::of(&[Permission::AccountSelf, Permission::SessionsRead]);

struct Bench {
    key: Key,
    keys: KeySet,
    verifier: Verifier,
}

fn bench() -> Bench {
    let key = Key::generate("k1");
    let keys = KeySet::parse(&json!({ "keys": [key.jwk()] }).to_string()).unwrap();
    let mut settings = settings();
    settings.visitor.shop_issuer = "shop".into();
    settings.visitor.shop_secret = SECRET.to_owned().into();
    Bench { key, keys, verifier: Verifier::new(&settings.visitor, &settings.agent) }
}

impl Bench {
    fn verify(&self, token: &str) -> Result<AgentToken, Rejected> {
        match self.verifier.verify(token, &self.keys, Timestamp::from_millis(START_MS))? {
            Token::Agent(token) => Ok(token),
            Token::Visitor(verified) => panic!("a visitor's token: {verified:?}"),
        }
    }

    fn with_header(&self, name: &str, value: Value) -> Result<AgentToken, Rejected> {
        let mut header = self.key.agent_header();
        header[name] = value;
        self.verify(&self.key.sign(&header, &agent_claims(MAY)))
    }

    fn with_claim(&self, name: &str, value: Value) -> Result<AgentToken, Rejected> {
        let mut claims = agent_claims(MAY);
        claims[name] = value;
        self.verify(&self.key.sign(&self.key.agent_header(), &claims))
    }
}

#[test]
fn a_right_token_tells_who_and_what_he_may() {
    let bench = bench();
    let token = bench.verify(&bench.key.access(MAY)).unwrap();
    assert_eq!((token.id.to_string(), token.login.to_string()), (AGENT.into(), LOGIN.into()));
    assert_eq!((token.username.as_str(), token.role.as_str()), ("xiaoming", "agent"));
    assert_eq!(token.permissions, MAY);
    assert_eq!(token.expires.since(token.issued).as_secs(), 900);
    // Bits that mean nothing here give nothing.
    let token = bench.with_claim("permissions", json!("8000000000000000")).unwrap();
    assert_eq!(token.permissions, Permissions::NONE);
}

#[test]
fn forged_headers_are_refused() {
    let bench = bench();
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("NONE")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", json!("Ed25519ph")),
        ("alg", json!(["EdDSA"])),
        ("alg", json!(null)),
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("typ", json!("AT+JWT")),
        ("typ", json!("application/at+jwt")),
        ("typ", json!(["at+jwt"])),
        ("typ", json!(null)),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jku", json!("https://evil.example.com/jwks")),
        ("x5u", json!("https://evil.example.com/cert")),
        ("jwk", Key::generate("k1").jwk()),
        ("kid", json!(null)),
        ("kid", json!(["k1"])),
    ] {
        assert_eq!(bench.with_header(name, value.clone()), Err(Rejected::Header), "{name}: {value}");
    }
    assert_eq!(bench.with_header("kid", json!("k2")), Err(Rejected::UnknownKey));
    // Nobody but agent-auth signs for agents: not with its public key as a secret, not the shop.
    for secret in [bench.key.public(), SECRET.as_bytes().to_vec(), Vec::new()] {
        for kind in ["at+jwt", "JWT", "visitor+jwt"] {
            let header = json!({ "alg": "HS256", "typ": kind, "kid": "k1" });
            let mut said = agent_claims(MAY);
            for issuer in ["switchboard", "shop"] {
                said["iss"] = issuer.into();
                assert!(bench.verify(&hs256(&secret, &header, &said)).is_err(), "{kind} {issuer}");
            }
        }
    }
    let stranger = Key::generate("k1");
    assert_eq!(bench.verify(&stranger.access(MAY)), Err(Rejected::Signature));
}

#[test]
fn the_tokens_of_visitors_and_agents_cannot_be_swapped() {
    let bench = bench();
    let visitor = bench.key.sign(&bench.key.agent_header(), &claims("alice"));
    assert_eq!(bench.verify(&visitor), Err(Rejected::Claim("aud")));
    let agent = bench.key.sign(&bench.key.header(), &agent_claims(MAY));
    assert_eq!(bench.verify(&agent), Err(Rejected::Claim("aud")));
    // A token that claims to be both is neither.
    let mut both = agent_claims(MAY);
    both["aud"] = json!(["agent", "visitor"]);
    for header in [bench.key.header(), bench.key.agent_header()] {
        assert_eq!(bench.verify(&bench.key.sign(&header, &both)), Err(Rejected::Claim("aud")));
    }
    // Right claims for a visitor under an agent's subject do not help either.
    let mut dressed = claims("alice");
    dressed["aud"] = "agent".into();
    dressed["exp"] = (dressed["iat"].as_i64().unwrap() + 900).into();
    let outcome = bench.verify(&bench.key.sign(&bench.key.agent_header(), &dressed));
    assert!(matches!(outcome, Err(Rejected::Claim(_))), "{outcome:?}");
}

#[test]
fn every_claim_has_to_be_there_and_of_its_type() {
    let bench = bench();
    let names = [
        "iss",
        "aud",
        "sub",
        "sid",
        "jti",
        "iat",
        "nbf",
        "exp",
        "name",
        "username",
        "role",
        "pv",
        "permissions",
        "amr",
    ];
    for name in names {
        let mut claims = agent_claims(MAY);
        claims.as_object_mut().unwrap().remove(name);
        let outcome = bench.verify(&bench.key.sign(&bench.key.agent_header(), &claims));
        assert_eq!(outcome, Err(Rejected::Claim(name)), "without {name}");
        for wrong in [json!(null), json!({}), json!([]), json!([[name]]), json!(true), json!(1.5), json!(-1)]
        {
            let outcome = bench.with_claim(name, wrong.clone());
            assert!(
                matches!(outcome, Err(Rejected::Claim(_) | Rejected::Malformed)),
                "{name}: {wrong}: {outcome:?}"
            );
        }
    }
}

#[test]
fn wrong_values_are_refused() {
    let bench = bench();
    let now = START_MS / 1000;
    for (name, value) in [
        ("iss", json!("shop")),
        ("iss", json!("")),
        ("aud", json!("visitor")),
        ("aud", json!("Agent")),
        ("aud", json!("")),
        ("sub", json!("alice")),
        ("sub", json!("agt_1")),
        ("sub", json!(LOGIN)),
        ("sub", json!("")),
        ("sid", json!(AGENT)),
        ("sid", json!("")),
        ("jti", json!("")),
        ("jti", json!("x".repeat(129))),
        ("exp", json!(now + 907)),
        ("exp", json!(now + 7 * 24 * 3600)),
        ("exp", json!((now + 900).to_string())),
        ("exp", json!(u64::MAX)),
        ("iat", json!(now + 60)),
        ("iat", json!(now - 3600)),
        ("nbf", json!(now + 6)),
        ("name", json!("")),
        ("name", json!("a\r\nb")),
        ("role", json!("x".repeat(129))),
        ("permissions", json!("")),
        ("permissions", json!("+1")),
        ("permissions", json!("0x1")),
        ("permissions", json!("11111111111111111")),
        ("permissions", json!(["sessions.read"])),
        ("amr", json!([1])),
        ("pv", json!("1")),
    ] {
        let outcome = bench.with_claim(name, value.clone());
        assert!(
            matches!(outcome, Err(Rejected::Claim(_) | Rejected::Malformed)),
            "{name}: {value}: {outcome:?}"
        );
    }
    assert_eq!(bench.with_claim("exp", json!(now - 5)), Err(Rejected::Expired));
    assert!(bench.with_claim("nbf", json!(now + 4)).is_ok(), "clocks may differ a little");
}

#[test]
fn a_refresh_token_is_no_access_token() {
    let bench = bench();
    for opaque in ["rt-1", "swr_0123456789abcdef0123456789abcdef", "a.b.c", "...."] {
        assert!(matches!(bench.verify(opaque), Err(Rejected::Malformed | Rejected::Header)), "{opaque}");
    }
}
