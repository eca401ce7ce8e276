//! Accounts that may do more than the caller, and statuses of those who may not log in.

use super::{
    accounts::manager,
    people::{Person, call, shops},
};
use switchboard_domain::{BuiltinRole, ErrorKind, Permission, Permissions};
use switchboard_proto::agentauth::v1::{SetSkillsRequest, UpdateAgentRequest};

fn edit(agent: &str) -> UpdateAgentRequest {
    UpdateAgentRequest { agent: agent.into(), ..UpdateAgentRequest::default() }
}

#[tokio::test]
async fn nobody_changes_anything_of_an_account_that_may_do_more() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let manager = manager(&world, &part, boss).await;
        let before = world.records().await.len();
        let refused = [
            UpdateAgentRequest { name: Some("Nobody".into()), ..edit("admin") },
            UpdateAgentRequest { max_sessions: Some(1), ..edit("admin") },
            UpdateAgentRequest { avatar_url: Some("https://a.example/x.png".into()), ..edit("admin") },
            UpdateAgentRequest { status: Some("offline".into()), ..edit("admin") },
        ];
        for request in refused {
            let failure = call!(part, manager, update_agent, request).unwrap_err();
            assert_eq!((failure.kind, &*failure.code), (ErrorKind::Forbidden, "PERMISSION_ESCALATION"));
        }
        let skills = |agent: &str| SetSkillsRequest { agent: agent.into(), skills: Vec::new() };
        let failure = call!(part, manager, set_skills, skills("admin")).unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (ErrorKind::Forbidden, "PERMISSION_ESCALATION"));
        assert_eq!(world.records().await.len(), before);

        // One's own account is, whatever else the token says.
        let permissions = Permissions::of(&[Permission::AgentsManage]);
        let narrow = Person { permissions, ..manager };
        let own = UpdateAgentRequest { name: Some("小李".into()), ..edit("manager") };
        assert_eq!(call!(part, narrow, update_agent, own).unwrap().agent.unwrap().name, "小李");
        call!(part, narrow, set_skills, skills("manager")).unwrap();
        call!(part, boss, set_skills, skills("manager")).unwrap();
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn who_may_not_log_in_has_no_other_status_than_offline() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        world.hire("anna", BuiltinRole::Agent).await;
        let to = |status: &str| UpdateAgentRequest { status: Some(status.into()), ..edit("anna") };
        let both = UpdateAgentRequest { disabled: Some(true), ..to("online") };
        let failure = call!(part, boss, update_agent, both).unwrap_err();
        assert_eq!((&*failure.code, failure.facts["field"].as_str()), ("VALIDATION_ERROR", "status"));
        assert!(world.row("anna").await.disabled_at.is_none(), "all or nothing");
        let disable = UpdateAgentRequest { disabled: Some(true), ..to("offline") };
        call!(part, boss, update_agent, disable).unwrap();
        let failure = call!(part, boss, update_agent, to("busy")).unwrap_err();
        assert_eq!((&*failure.code, failure.facts["field"].as_str()), ("VALIDATION_ERROR", "status"));
        let enable = UpdateAgentRequest { disabled: Some(false), ..to("busy") };
        assert_eq!(call!(part, boss, update_agent, enable).unwrap().agent.unwrap().status, "busy");
        part.stop().await;
        world.close().await;
    }
}
