//! The chat-gateway service alone; `switchboard chat-gateway` is the same.

fn main() -> std::process::ExitCode {
    let part = switchboard_boot::Part::new(switchboard_chat_gateway::NAME, switchboard_chat_gateway::build);
    switchboard_boot::cli::main(switchboard_chat_gateway::NAME, part)
}
