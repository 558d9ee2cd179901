//! Things that can be painted. They take plain values that are safe already; none knows the state of the client.

pub mod bar;
pub mod log;
pub mod minimap;
pub mod popup;
pub mod table;
pub mod text;
