//! SIGTERM under load, where jobs are processes of this host.

use windlass_tests::DaemonOptions;
use windlass_tests::under_load::sigterm_under_load;

#[test]
fn sigterm_while_webhooks_pour_in_and_logs_flood() {
    sigterm_under_load(&DaemonOptions::local(), "");
}
