//! Keys over the months: made in time, used in time, forgotten in time, by several replicas.

use super::{
    verify, visitor,
    world::{World, settings},
};
use crate::{
    account::{NewAdmin, Username},
    key::NewKey,
    keys::Keys,
    schedule::Schedule,
    token::{Issuer, Visitor},
};
use std::{sync::Arc, time::Duration};
use switchboard_boot::system::SystemRng;
use switchboard_domain::{AgentId, Clock as _};

const SECOND: Duration = Duration::from_secs(1);

/// One replica's keys, tended by hand.
struct Replica<'a> {
    keys: Keys,
    world: &'a World,
}

impl<'a> Replica<'a> {
    async fn open(world: &'a World) -> Self {
        let schedule = Schedule::new(&settings());
        let keys = Keys::open(world.store().await, schedule, Arc::new(world.clock.clone())).await.unwrap();
        Self { keys, world }
    }

    fn token(&self) -> String {
        let issuer = Issuer { name: "switchboard".into(), life: settings().visitor_token_life };
        let visitor = Visitor::try_from(visitor("alice")).unwrap();
        let key = self.keys.signing().unwrap();
        issuer.sign(&visitor, &key, self.world.clock.now(), &SystemRng).unwrap().0
    }

    async fn accepts(&self, token: &str) -> bool {
        verify(token, &self.keys.jwks().await.unwrap()).is_ok()
    }

    async fn published(&self) -> usize {
        self.keys.jwks().await.unwrap().matches("\"kid\"").count()
    }
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_until_its_tokens_have_expired() {
    for world in World::each().await {
        world.build().await.stop().await;
        let (one, other) = (Replica::open(&world).await, Replica::open(&world).await);
        let limits = settings();
        let lead = limits.jwks_max_age + limits.key_refresh;

        world.clock.pass(limits.key_rotation.saturating_sub(lead + SECOND));
        one.keys.tend().await.unwrap();
        assert_eq!(one.published().await, 1);

        // It is time, and both replicas notice.
        world.clock.pass(SECOND);
        let (left, right) = tokio::join!(one.keys.tend(), other.keys.tend());
        left.and(right).unwrap();
        assert_eq!((one.published().await, other.published().await), (2, 2));
        let cached = other.keys.jwks().await.unwrap();
        let old_token = one.token();

        // The set that a verifier fetched when the key was new is at most as old as it may be when the key signs.
        world.clock.pass(lead.saturating_sub(SECOND));
        assert_eq!(one.keys.signing().unwrap().generation, 1);
        let last_old_token = one.token();
        world.clock.pass(SECOND);
        assert_eq!(
            (one.keys.signing().unwrap().generation, other.keys.signing().unwrap().generation),
            (2, 2)
        );
        assert!(verify(&one.token(), &cached).is_ok());
        assert!(one.accepts(&old_token).await && other.accepts(&last_old_token).await);

        // The last token of the old key expires 7 days after the key retired.
        world.clock.pass(limits.visitor_token_life);
        one.keys.tend().await.unwrap();
        assert!(one.accepts(&last_old_token).await);
        world.clock.pass(lead);
        one.keys.tend().await.unwrap();
        assert_eq!((one.published().await, other.published().await), (1, 1));
        assert!(!other.accepts(&last_old_token).await);
        assert_eq!(world.count("SELECT COUNT(*) FROM signing_key").await, 1);
        assert!(other.accepts(&one.token()).await);
        world.close().await;
    }
}

#[tokio::test]
async fn a_replica_that_slept_for_months_still_publishes_before_it_signs() {
    let world = World::new();
    world.build().await.stop().await;
    world.clock.pass(10 * settings().key_rotation);
    let replica = Replica::open(&world).await;
    replica.keys.tend().await.unwrap();
    assert_eq!((replica.published().await, replica.keys.signing().unwrap().generation), (2, 1));
    world.clock.pass(settings().jwks_max_age + settings().key_refresh);
    assert_eq!(replica.keys.signing().unwrap().generation, 2);
}

#[tokio::test]
async fn a_key_that_is_taken_away_is_replaced_at_once() {
    for world in World::each().await {
        world.build().await.stop().await;
        let replica = Replica::open(&world).await;
        let token = replica.token();
        let stolen = replica.keys.signing().unwrap().kid;
        world.store().await.forget(&stolen).await.unwrap();
        assert_eq!(replica.published().await, 0);
        replica.keys.tend().await.unwrap();
        assert_ne!(replica.keys.signing().unwrap().kid, stolen);
        assert!(!replica.accepts(&token).await);
        assert!(replica.accepts(&replica.token()).await);
        world.close().await;
    }
}

#[tokio::test]
async fn the_first_start_may_be_repeated_when_its_outcome_is_unknown() {
    for world in World::each().await {
        world.migrate().await;
        let store = world.store().await;
        let now = world.clock.now();
        let key = NewKey::make(now, now).unwrap();
        let admin = |name| NewAdmin {
            id: AgentId::mint(&world.clock, &SystemRng),
            username: Username::parse(name).unwrap(),
            password_hash: "$argon2id$".into(),
            must_change_password: true,
            created_at: now,
        };
        let (ours, theirs) = (admin("admin"), admin("root"));
        assert!(!store.has_begun().await.unwrap());
        assert!(store.begin(key.clone(), ours.clone()).await.unwrap());
        assert!(store.begin(key.clone(), ours).await.unwrap(), "it is ours however often we ask");
        assert!(!store.begin(NewKey::make(now, now).unwrap(), theirs).await.unwrap());
        assert!(store.has_begun().await.unwrap());
        assert_eq!(world.admins().await.len(), 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM signing_key").await, 1);
        world.close().await;
    }
}
