//! The edge alone; `switchboard gateway` is the same.

fn main() -> std::process::ExitCode {
    let part = switchboard_boot::Part::new(switchboard_gateway::NAME, switchboard_gateway::build);
    switchboard_boot::cli::main(switchboard_gateway::NAME, part)
}
