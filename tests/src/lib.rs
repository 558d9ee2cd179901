//! What the stories stand on: real daemons, real repositories, signed deliveries, the real client and its commands.
//! Blocking, so that a story reads from top to bottom. Must not know how the daemon does anything: it uses only the
//! executables, the listeners, and the names that DESIGN promises to scripts.
//!
//! A fault in a harness is a failed test, so these functions panic with a sentence instead of returning errors.

pub mod alone; // a container that ends while its daemon is dead
pub mod artifacts; // files that jobs left to be kept
pub mod binaries; // where windlassd and windlass are
pub mod chaos; // kills without end, and whether all is well after them
pub mod cleanup; // nothing outlives a story
pub mod cuts; // a connection that is cut again and again
pub mod daemon; // windlassd on a data folder of its own
pub mod database; // one of a story's own, on the Postgres that the tests share
pub mod delivery; // webhooks as GitHub sends them
pub mod doctor; // what `windlassd doctor` says
pub mod fake; // a daemon that only pretends, behind a line that misbehaves
pub mod follow; // a log as a following client sees it
pub mod http; // a small HTTP/1.1 client
pub mod image; // the image without a registry
pub mod live; // the live socket
pub mod long_log; // a build that writes numbered lines
pub mod numbered; // lines that carry their number
pub mod postgres; // a Postgres that may be stopped
pub mod proxy; // a way to a socket that can be blocked or cut
pub mod repository; // git repositories
pub mod robot; // a person in front of the client, who reads stories
pub mod small_disk; // a disk that can be filled
pub mod tail; // what `windlass logs -f` writes
pub mod terminal; // the client in a pseudo-terminal
pub mod under_load; // SIGTERM in the middle of much work
pub mod view; // reading what the commands print as JSON
pub mod wait; // the only place that sleeps

pub use daemon::{Daemon, DaemonOptions};
pub use delivery::Delivery;
pub use repository::Repository;
pub use view::{Build, Job};
pub use wait::{LONG, SHORT, wait_for, wait_for_file};
