//! The notifier service alone; `switchboard notifier` is the same.

fn main() -> std::process::ExitCode {
    let part = switchboard_boot::Part::new(switchboard_notifier::NAME, switchboard_notifier::build);
    switchboard_boot::cli::main(switchboard_notifier::NAME, part)
}
