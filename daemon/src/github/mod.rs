//! GitHub as the daemon meets it: signed webhooks. The only place that knows its field names. Must not know the database,
//! git or what is built.

pub mod payload; // bodies of webhooks -> events
pub mod signature; // whether GitHub sent it
