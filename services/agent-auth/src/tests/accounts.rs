//! Accounts as admins see them.

use super::people::{PASSWORD, Person, call, shops};
use super::world::{Part, World};
use crate::throttle::Subject;
use std::time::Duration;
use switchboard_db::sql;
use switchboard_domain::{AgentId, BuiltinRole, ErrorKind, Failure};
use switchboard_proto::{
    agentauth::v1::{
        Agent, CreateAgentRequest, DeleteAgentRequest, GetAgentRequest, ListAgentsRequest,
        ResetPasswordRequest, SetSkillsRequest, SetStatusRequest, Skill, UpdateAgentRequest,
    },
    common::v1::Idempotency,
};

fn new(username: &str) -> CreateAgentRequest {
    CreateAgentRequest {
        username: username.into(),
        password: PASSWORD.into(),
        name: "小王".into(),
        ..CreateAgentRequest::default()
    }
}

fn edit(agent: &str) -> UpdateAgentRequest {
    UpdateAgentRequest { agent: agent.into(), ..UpdateAgentRequest::default() }
}

fn reset(agent: &str, password: &str) -> ResetPasswordRequest {
    ResetPasswordRequest { agent: agent.into(), new_password: password.into(), remove_totp: true }
}

fn delete(agent: &str) -> DeleteAgentRequest {
    DeleteAgentRequest { agent: agent.into() }
}

fn told(failure: &Failure) -> (ErrorKind, &str) {
    (failure.kind, &failure.code)
}

#[tokio::test]
async fn an_account_is_made_found_changed_and_listed() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        world.clock.pass(Duration::from_secs(1));
        let made: Agent = call!(part, boss, create_agent, new("Anna")).unwrap().agent.unwrap();
        assert_eq!((made.role.as_str(), made.max_sessions, made.status.as_str()), ("agent", 5, "offline"));
        assert!(AgentId::parse(&made.id).is_ok() && !made.must_change_password);

        for name in ["anna", "ＡＮＮＡ", made.id.as_str()] {
            let found = call!(part, boss, get_agent, GetAgentRequest { agent: name.into() }).unwrap();
            assert_eq!(found.agent.unwrap().id, made.id);
            assert!(found.permissions.contains(&"sessions.serve".to_owned()));
        }
        let change = UpdateAgentRequest {
            name: Some("大王".into()),
            role: Some("supervisor".into()),
            max_sessions: Some(20),
            avatar_url: Some("https://a.example/x.png".into()),
            ..edit("ANNA")
        };
        let changed = call!(part, boss, update_agent, change).unwrap().agent.unwrap();
        assert_eq!((changed.name.as_str(), changed.role.as_str()), ("大王", "supervisor"));
        assert_eq!((changed.max_sessions, changed.avatar_url.as_str()), (20, "https://a.example/x.png"));
        assert!(changed.version > made.version);

        let list = |role: &str, page, page_size| ListAgentsRequest {
            role: role.into(),
            page,
            page_size,
            ..ListAgentsRequest::default()
        };
        let names = |list: Vec<Agent>| list.into_iter().map(|agent| agent.username).collect::<Vec<_>>();
        let all = call!(part, boss, list_agents, list("", 0, 0)).unwrap();
        assert_eq!((names(all.agents), all.total), (vec!["Anna".into(), "admin".into()], 2));
        let second = call!(part, boss, list_agents, list("", 2, 1)).unwrap();
        assert_eq!((names(second.agents), second.total), (vec!["admin".into()], 2));
        let supervisors = call!(part, boss, list_agents, list("supervisor", 1, 20)).unwrap();
        assert_eq!((names(supervisors.agents), supervisors.total), (vec!["Anna".into()], 1));
        let online = ListAgentsRequest { status: "online".into(), ..ListAgentsRequest::default() };
        assert_eq!(call!(part, boss, list_agents, online).unwrap().total, 0);

        let records = world.records().await;
        let actions: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["agent.create", "agent.update"]);
        assert!(records.iter().all(|record| record.actor == format!("agent:{}", boss.id)));
        assert!(records.iter().all(|record| record.object == format!("agent:{}", made.id)));
        assert_eq!(records[0].before_digest, "");
        assert_eq!(records[0].after_digest, records[1].before_digest);
        assert_ne!(records[1].before_digest, records[1].after_digest);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        call!(part, boss, create_agent, new("anna")).unwrap();
        let before = world.records().await.len();
        for (request, code) in [
            (new("ＡNNA"), "USERNAME_EXISTS"),
            (CreateAgentRequest { password: "12345678".into(), ..new("bert") }, "INVALID_PASSWORD"),
            (CreateAgentRequest { password: "bertram 1".into(), ..new("bertram") }, "INVALID_PASSWORD"),
            (CreateAgentRequest { role: "chief".into(), ..new("bert") }, "UNKNOWN_ROLE"),
            (new("ab"), "VALIDATION_ERROR"),
            (CreateAgentRequest { max_sessions: 21, ..new("bert") }, "VALIDATION_ERROR"),
        ] {
            let failure = call!(part, boss, create_agent, request).unwrap_err();
            assert_eq!(told(&failure), (ErrorKind::Invalid, code));
        }
        let gone = AgentId::mint(&world.clock, &switchboard_boot::system::SystemRng).to_string();
        for nobody in ["nobody", gone.as_str(), ""] {
            let skills = SetSkillsRequest { agent: nobody.into(), skills: Vec::new() };
            let failures = [
                call!(part, boss, get_agent, GetAgentRequest { agent: nobody.into() }).unwrap_err(),
                call!(part, boss, update_agent, edit(nobody)).unwrap_err(),
                call!(part, boss, delete_agent, delete(nobody)).unwrap_err(),
                call!(part, boss, reset_password, reset(nobody, PASSWORD)).unwrap_err(),
                call!(part, boss, set_skills, skills).unwrap_err(),
            ];
            for failure in &failures {
                assert_eq!(told(failure), (ErrorKind::NotFound, "AGENT_NOT_FOUND"));
            }
        }
        let weak = call!(part, boss, reset_password, reset("anna", "password1")).unwrap_err();
        assert_eq!(told(&weak), (ErrorKind::Invalid, "INVALID_PASSWORD"));
        let unknown = UpdateAgentRequest { role: Some("chief".into()), ..edit("anna") };
        let unknown = call!(part, boss, update_agent, unknown).unwrap_err();
        assert_eq!((told(&unknown).1, unknown.facts["role"].as_str()), ("UNKNOWN_ROLE", "chief"));
        let away = UpdateAgentRequest { status: Some("away".into()), ..edit("anna") };
        assert_eq!(told(&call!(part, boss, update_agent, away).unwrap_err()).1, "VALIDATION_ERROR");
        assert_eq!(world.records().await.len(), before);
        part.stop().await;
        world.close().await;
    }
}

/// Somebody who manages accounts and is no admin.
pub(super) async fn manager(world: &World, part: &Part, boss: Person) -> Person {
    use switchboard_domain::{Permission, Permissions};
    use switchboard_proto::agentauth::v1::PutRoleRequest;
    let permissions = BuiltinRole::Agent.permissions().and(Permissions::of(&[Permission::AgentsManage]));
    let role = PutRoleRequest {
        name: "manager".into(),
        permissions: permissions.iter().map(|permission| permission.to_string()).collect(),
        ..PutRoleRequest::default()
    };
    call!(part, boss, put_role, role).unwrap();
    world.hire_as("manager".into(), "manager", permissions).await
}

#[tokio::test]
async fn nobody_gives_or_takes_what_he_does_not_have() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let manager = manager(&world, &part, boss).await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let role = |agent: &str, role: &str| UpdateAgentRequest { role: Some(role.into()), ..edit(agent) };
        let failures = [
            call!(part, manager, create_agent, CreateAgentRequest { role: "admin".into(), ..new("bert") })
                .unwrap_err(),
            call!(part, manager, update_agent, role("anna", "supervisor")).unwrap_err(),
            call!(part, manager, update_agent, role("admin", "agent")).unwrap_err(),
            call!(part, manager, update_agent, UpdateAgentRequest { disabled: Some(true), ..edit("admin") })
                .unwrap_err(),
            call!(part, manager, reset_password, reset("admin", PASSWORD)).unwrap_err(),
            call!(part, manager, delete_agent, delete("admin")).unwrap_err(),
        ];
        for failure in &failures {
            assert_eq!(told(failure), (ErrorKind::Forbidden, "PERMISSION_ESCALATION"));
        }
        assert!(failures[1].facts["permissions"].contains("sessions.supervise"));
        call!(part, manager, update_agent, role("anna", "guest")).unwrap();
        call!(part, manager, update_agent, role("anna", "manager")).unwrap();

        // A token from before a demotion counts for nothing.
        call!(part, boss, update_agent, role("manager", "agent")).unwrap();
        let failure = call!(part, manager, delete_agent, delete(&anna.id())).unwrap_err();
        assert_eq!(told(&failure), (ErrorKind::Forbidden, "PERMISSION_REQUIRED"));
        // The guard asks for the permission before anything else.
        let failure = call!(part, anna, create_agent, new("bert")).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Forbidden);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn the_last_who_can_manage_accounts_stays() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let demote = || UpdateAgentRequest { role: Some("agent".into()), ..edit("admin") };
        let disable = || UpdateAgentRequest { disabled: Some(true), ..edit("admin") };
        for failure in [
            call!(part, boss, update_agent, demote()).unwrap_err(),
            call!(part, boss, update_agent, disable()).unwrap_err(),
            call!(part, boss, delete_agent, delete("admin")).unwrap_err(),
        ] {
            assert_eq!(told(&failure), (ErrorKind::Invalid, "LAST_ADMIN"));
        }
        assert_eq!(world.row("admin").await.role, "admin");
        // A custom role that can manage accounts is enough.
        manager(&world, &part, boss).await;
        call!(part, boss, update_agent, demote()).unwrap();
        part.stop().await;
        world.close().await;
    }
}

/// Gives somebody a login, a second factor and a key.
async fn settle(world: &World, person: Person) {
    let db = world.db().await;
    for text in [
        "INSERT INTO login (id, agent_id, family_key, device_id, user_agent, ip, amr, created_at, last_used_at,
            expires_at) VALUES ('lgn_1', $1, '', '', '', '', '[]', 0, 0, 9000000000000)",
        "INSERT INTO recovery_code (agent_id, hash) VALUES ($1, 'x')",
        "INSERT INTO api_key (id, agent_id, name, hint, secret_hash, permissions, created_at)
            VALUES ('key_0192f0c1a2b37c4d8e5f60718293a4b5', $1, 'CRM', '', '', '[]', 0)",
        "UPDATE agent SET totp_secret = 'S' WHERE id = $1",
    ] {
        let statement = sql(text).bind(person.id());
        db.transaction(move |tx| Box::pin(async move { tx.execute(statement).await })).await.unwrap();
    }
}

/// Fails once by each way to prove who one is; tells how many tallies that makes.
async fn failed_attempts(world: &World, person: Person) -> i64 {
    let (store, settings, now) = (world.store().await, super::settings(), world.now());
    let id = AgentId::parse(&person.id()).unwrap();
    let know = sql("INSERT INTO known_device (agent_id, device, last_login_at) VALUES ($1, 'd', 0)")
        .bind(person.id());
    store.db.transaction(move |tx| Box::pin(async move { tx.execute(know).await })).await.unwrap();
    let subjects = [
        Subject::account(&settings, &person.id()),
        Subject::own(&settings, id),
        Subject::device(&settings, "d"),
        Subject::address(&settings, "198.51.100.1".parse().unwrap()),
    ];
    for subject in subjects {
        store.count_attempt(vec![subject], now).await.unwrap();
    }
    4
}

const OPEN_LOGINS: &str = "SELECT COUNT(*) FROM login WHERE ended_at IS NULL";
const REVOKED: &str = "SELECT COUNT(*) FROM revocation WHERE kind = 'agent'";

#[tokio::test]
async fn a_demotion_and_disabling_end_logins_and_a_promotion_does_not() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        settle(&world, anna).await;
        let online = SetStatusRequest { status: "online".into(), note: None };
        call!(part, anna, set_status, online.clone()).unwrap();
        let role = |role: &str| UpdateAgentRequest { role: Some(role.into()), ..edit("anna") };
        call!(part, boss, update_agent, role("supervisor")).unwrap();
        assert_eq!((world.count(OPEN_LOGINS).await, world.count(REVOKED).await), (1, 1));
        assert_eq!(world.row("anna").await.status, "online");
        let demoted = call!(part, boss, update_agent, role("agent")).unwrap().agent.unwrap();
        assert_eq!((world.count(OPEN_LOGINS).await, demoted.status.as_str()), (0, "offline"));
        assert_eq!(world.count(REVOKED).await, 2);
        world.floor.until_line(&anna.id(), |line| line.serves && line.lease_until_ms == 0).await;

        let disable = |disabled| UpdateAgentRequest { disabled: Some(disabled), ..edit("anna") };
        let off = call!(part, boss, update_agent, disable(true)).unwrap();
        assert!(off.agent.unwrap().disabled_at_ms.is_some() && off.permissions.is_empty());
        assert_eq!(world.count(REVOKED).await, 3);
        world.floor.until_line(&anna.id(), |line| !line.serves).await;
        let failure = call!(part, anna, set_status, online).unwrap_err();
        assert_eq!(told(&failure), (ErrorKind::NotFound, "AGENT_NOT_FOUND"));
        let on = call!(part, boss, update_agent, disable(false)).unwrap();
        assert!(on.agent.unwrap().disabled_at_ms.is_none());
        world.floor.until_line(&anna.id(), |line| line.serves).await;
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_reset_password_has_to_be_changed_and_takes_the_second_factor_along() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        settle(&world, anna).await;
        let failed = failed_attempts(&world, anna).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM throttle").await, failed);
        let own = call!(part, boss, reset_password, reset(&boss.id(), PASSWORD)).unwrap_err();
        assert_eq!(told(&own), (ErrorKind::Forbidden, "OWN_PASSWORD"));
        let done = call!(part, boss, reset_password, reset("anna", PASSWORD)).unwrap();
        let left = world.texts("SELECT subject FROM throttle").await;
        assert_eq!(left, ["address:198.51.100.1"], "others may be guessing from there");
        let agent = done.agent.unwrap();
        assert!(agent.must_change_password && !agent.totp_enabled);
        assert_eq!(done.permissions, ["account.self"]);
        assert!(world.row("anna").await.password_hash.starts_with("$argon2id$"));
        assert_eq!((world.count(OPEN_LOGINS).await, world.count(REVOKED).await), (0, 1));
        assert_eq!(world.count("SELECT COUNT(*) FROM recovery_code").await, 0);
        let records = world.records().await;
        assert_eq!(records[0].action, "agent.reset_password");
        assert_ne!(records[0].before_digest, records[0].after_digest);
        assert!(!records[0].detail.contains("argon2") && !records[0].detail.contains(PASSWORD));
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_deleted_account_frees_its_username_and_keeps_its_id() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        settle(&world, anna).await;
        call!(part, boss, delete_agent, delete("anna")).unwrap();
        for name in ["anna", &anna.id()] {
            let failure = call!(part, boss, delete_agent, delete(name)).unwrap_err();
            assert_eq!(told(&failure).1, "AGENT_NOT_FOUND");
        }
        assert_eq!(world.count(OPEN_LOGINS).await, 0);
        assert_eq!(world.count("SELECT COUNT(*) FROM api_key WHERE revoked_at IS NULL").await, 0);
        assert_eq!(world.count("SELECT COUNT(*) FROM revocation WHERE kind = 'api_key'").await, 1);
        assert_eq!(call!(part, boss, list_agents, ListAgentsRequest::default()).unwrap().total, 1);
        world.floor.until_line(&anna.id(), |line| line.deleted && !line.serves).await;

        let again = call!(part, boss, create_agent, new("anna")).unwrap().agent.unwrap();
        assert_ne!(again.id, anna.id());
        let records = world.records().await;
        assert_eq!((records[0].action.as_str(), records[0].after_digest.as_str()), ("agent.delete", ""));
        assert!(records[0].detail.contains("anna"), "the log keeps the name");
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn skills_are_normalised_and_told_to_the_floor() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let skill = Skill { category: " Billing ".into(), level: "SENIOR".into(), tags: vec!["VAT".into()] };
        let set = |agent: String| SetSkillsRequest { agent, skills: vec![skill.clone(), skill.clone()] };
        let agent = call!(part, boss, set_skills, set(anna.id())).unwrap().agent.unwrap();
        let normal = Skill { category: "billing".into(), level: "senior".into(), tags: vec!["vat".into()] };
        assert_eq!(agent.skills, [normal]);
        world
            .floor
            .until_line(&anna.id(), |line| line.skills.len() == 1 && line.skills[0].tags == ["vat"])
            .await;
        assert_eq!(world.records().await[0].action, "agent.set_skills");
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_account_is_made_once_for_each_key() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let keyed = |username: &str, fingerprint: &str| CreateAgentRequest {
            idempotency: Some(Idempotency { key: "k".into(), fingerprint: fingerprint.into() }),
            ..new(username)
        };
        let made = call!(part, boss, create_agent, keyed("anna", "f")).unwrap();
        assert_eq!(call!(part, boss, create_agent, keyed("anna", "f")).unwrap(), made);
        let secret =
            CreateAgentRequest { password: "grüne Giraffen tanzen laut".into(), ..keyed("anna", "f") };
        for other in [keyed("anna", "g"), keyed("bert", "g"), secret] {
            let refused = call!(part, boss, create_agent, other).unwrap_err();
            assert_eq!(told(&refused), (ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH"));
        }
        let refused = call!(part, boss, create_agent, new("anna")).unwrap_err();
        assert_eq!(told(&refused).1, "USERNAME_EXISTS");
        assert_eq!(world.count("SELECT COUNT(*) FROM agent").await, 2);
        assert_eq!(world.records().await.iter().filter(|one| one.action == "agent.create").count(), 1);
        // Whoever was deleted is made anew.
        call!(part, boss, delete_agent, delete("anna")).unwrap();
        let anew = call!(part, boss, create_agent, keyed("anna", "f")).unwrap();
        assert_ne!(anew.agent.unwrap().id, made.agent.unwrap().id);
        part.stop().await;
        world.close().await;
    }
}
