//! The operator's way back in.

use super::{
    desk::{Desk, PASSWORD, code, request, revocations},
    world::World,
};

#[tokio::test]
async fn an_operator_gets_a_one_time_password_and_everybody_is_out() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let desk = Desk::at(&part);
        let answer = desk.log_in(request("admin", PASSWORD)).await.unwrap();
        // The part runs meanwhile.
        assert!(world.reset("nobody", false).await.is_err());
        let line = world.reset("Admin", false).await.unwrap();
        let (name, rest) = line.split_once("  one-time password: ").unwrap();
        let password = rest.split_once("  ").unwrap().0;
        assert_eq!(name, "admin");
        assert_eq!(revocations(&part, 0).await.revocations.len(), 1);
        assert_eq!(code(desk.refresh(&answer.refresh_token, "").await), "INVALID_REFRESH_TOKEN");
        assert_eq!(code(desk.log_in(request("admin", PASSWORD)).await), "INVALID_CREDENTIALS");
        let answer = desk.log_in(request("admin", password)).await.unwrap();
        assert_eq!(answer.permissions, ["account.self"]);
        let who = world.texts("SELECT actor FROM audit WHERE action = 'agent.reset_password'").await;
        assert_eq!(who, ["service:agent-auth"]);

        world.write("UPDATE agent SET totp_secret = 'MZXW6'").await;
        let line = world.reset("admin", true).await.unwrap();
        let password = line.split("  ").nth(1).unwrap().rsplit(' ').next().unwrap();
        assert_eq!(code(desk.log_in(request("admin", password)).await), "OK");
        part.stop().await;
        world.close().await;
    }
}
