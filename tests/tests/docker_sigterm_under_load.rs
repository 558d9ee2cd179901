//! SIGTERM under load, where jobs run in containers.

use windlass_tests::under_load::sigterm_under_load;
use windlass_tests::{DaemonOptions, image};

#[test]
fn docker_sigterm_while_webhooks_pour_in_and_logs_flood() {
    sigterm_under_load(&DaemonOptions::docker(), &format!("    image: {}\n    pull: never\n", image::busybox()));
}
