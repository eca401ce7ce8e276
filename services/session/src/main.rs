//! The session service alone; `switchboard session` is the same.

fn main() -> std::process::ExitCode {
    let part = switchboard_boot::Part::new(switchboard_session::NAME, switchboard_session::build);
    switchboard_boot::cli::main(switchboard_session::NAME, part)
}
