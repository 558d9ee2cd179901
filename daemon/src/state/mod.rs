//! Where attempts stand and what may follow; how builds follow from their jobs. Pure: no clock, no database.

pub mod attempt; // one attempt: its states and the only function that changes them
pub mod again; // whether an attempt that ended is followed by another one by itself
pub mod build; // a build's status and outcome, derived from its jobs
pub mod verdict; // evidence -> outcome, with one sentence for a person
