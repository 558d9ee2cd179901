//! Many small things as one compressed piece: what is written once and only ever read as a whole. Must not know what they are.

use std::io::{self, Read as _};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No piece unpacks to more: twice what all of anything that is kept so can have.
const MOST: u64 = 128 << 20;
const LEVEL: i32 = 3;

/// Why some bytes are no piece.
#[derive(Debug, thiserror::Error)]
#[error("cannot be read: {0}")]
pub struct Unreadable(pub String);

#[must_use]
pub fn pack<T: Serialize + ?Sized>(things: &T) -> Vec<u8> {
    let json = serde_json::to_vec(things).expect("plain data with text keys is always JSON");
    zstd::bulk::compress(&json, LEVEL).expect("compressing into memory does not fail")
}

pub fn unpack<T: DeserializeOwned>(piece: &[u8]) -> Result<T, Unreadable> {
    let json = json(piece).map_err(|error| Unreadable(error.to_string()))?;
    serde_json::from_slice(&json).map_err(|error| Unreadable(error.to_string()))
}

/// For those who borrow from it.
pub fn json(piece: &[u8]) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    zstd::stream::read::Decoder::new(piece)?.take(MOST).read_to_end(&mut json)?;
    Ok(json)
}
