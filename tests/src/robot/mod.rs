//! A person in front of the terminal client, as a robot that reads stories: plain sentences, one a line, in `tests/stories`.
//! The same story is played against a real daemon and against a fake one that misbehaves. Must not know the client's code.

pub mod play; // sentence by sentence, in a pseudo-terminal
pub mod stage; // the daemon that a story is played against
pub mod story; // sentences, and how they are read

pub use play::play;
pub use stage::House;
