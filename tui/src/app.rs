//! The only loop.
use crate::exit::{Exit, Failure};
use crate::link::target::Target;
pub(crate) struct Options {
    pub(crate) animation: bool,
    pub(crate) mouse: bool,
}
pub(crate) async fn run(_t: Target, _o: Options) -> Result<Exit, Failure> {
    Ok(Exit::Ok)
}
