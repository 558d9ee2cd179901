//! Owner of every background task: spawned here, told to stop by one token, waited for with a deadline. A task that ends
//! although nobody asked it to is a fault and is logged as one.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// Cancelled when the daemon is to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A task that ends on its own: a connection, one attempt.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// A loop that only ends when told to. If it ends by itself the whole daemon is told to stop: better restarted by its
    /// supervisor than alive without its scheduler.
    pub fn spawn_loop<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.watch(name, tokio::spawn(task));
    }

    /// The same on a thread of its own, for what must not stand in line behind thousands of others each time it waited for
    /// something.
    pub fn spawn_loop_apart<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Handle::current();
        self.watch(name, tokio::task::spawn_blocking(move || runtime.block_on(task)));
    }

    fn watch(&self, name: &'static str, task: JoinHandle<()>) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            let outcome = task.await;
            if !stop.is_cancelled() {
                match outcome {
                    Ok(()) => tracing::error!(task = name, "ended although nobody asked it to; stopping the daemon"),
                    Err(error) => tracing::error!(task = name, %error, "died; stopping the daemon"),
                }
                stop.cancel();
            }
        });
    }

    /// Tells all to stop and waits; `false` when some did not end in time.
    pub async fn shut_down(&self, patience: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(patience, self.tracker.wait()).await.is_ok()
    }
}
