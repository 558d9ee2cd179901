//! What a fuzzer is made of: inputs, and promises that must hold for each of them.

pub(crate) mod mutate;
pub(crate) mod promises;
