//! The agent-auth service alone; `switchboard agent-auth` is the same.

fn main() -> std::process::ExitCode {
    let part = switchboard_boot::Part::new(switchboard_agent_auth::NAME, switchboard_agent_auth::build);
    switchboard_boot::cli::main(switchboard_agent_auth::NAME, part)
}
