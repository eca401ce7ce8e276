//! The regulator service alone; `switchboard regulator` is the same.

fn main() -> std::process::ExitCode {
    let part = switchboard_boot::Part::new(switchboard_regulator::NAME, switchboard_regulator::build);
    switchboard_boot::cli::main(switchboard_regulator::NAME, part)
}
