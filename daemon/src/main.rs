//! `windlassd`: the daemon, and inside of containers the runner.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "runner") {
        return windlass_daemon::runner::main();
    }
    ExitCode::FAILURE
}
