//! What goes wrong with which request. Must not know how requests are answered.

use serde_json::Value;

/// Requests of the API, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Ping,
    Version,
    Info,
    /// Looking at the job's image.
    Image,
    Pull,
    Network,
    Volume,
    /// Anything about containers that are never started.
    Helper,
    Create,
    Attach,
    Inspect,
    Start,
    Wait,
    Logs,
    Kill,
    Remove,
    List,
}

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It takes the request and says nothing.
    Hang,
    /// The connection ends before the first byte, inside of the headers, inside of the body.
    ResetAtOnce,
    ResetInHead,
    ResetInBody,
    /// Another answer: status and words.
    Say(u16, &'static str),
    /// Half of the answer's JSON as if it were all.
    HalfJson,
    /// Something else as the body.
    Body(&'static str),
    /// A body that does not end.
    Endless,
    /// The right answer, changed.
    Change(fn(&mut Value)),
    /// The container is gone; then the request is answered.
    Vanish,
    /// A stream that ends after so many of its bytes, as if that were all.
    EndAfter(usize),
    /// A stream that stands still after so many of its bytes.
    StallAfter(usize),
    /// A stream whose connection breaks after so many of its bytes.
    BreakAfter(usize),
    /// A stream that comes in pieces of so many bytes.
    Pieces(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) call: Call,
    /// The first request it is for, counted from 1, and how many.
    pub(crate) from: usize,
    pub(crate) times: usize,
    /// The request is carried out all the same; only its answer is bad.
    pub(crate) done: bool,
    pub(crate) fault: Fault,
}

impl Rule {
    pub(crate) fn is_for(&self, call: Call, count: usize) -> bool {
        self.call == call && count >= self.from && count - self.from < self.times
    }
}

/// Every time.
pub(crate) fn always(call: Call, fault: Fault) -> Rule {
    Rule { call, from: 1, times: usize::MAX, done: false, fault }
}

/// The first time only.
pub(crate) fn once(call: Call, fault: Fault) -> Rule {
    Rule { times: 1, ..always(call, fault) }
}

/// Every time; the engine has done it all the same.
pub(crate) fn though_done(call: Call, fault: Fault) -> Rule {
    Rule { done: true, ..always(call, fault) }
}
