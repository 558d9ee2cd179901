//! A command's connection: it must exist when the command begins, and requests are asked and answered one after the other.
//! Must not know what is asked.

use std::collections::VecDeque;
use std::time::Duration;

use windlass_protocol::id::{Address, AttemptId, BuildNumber};
use windlass_protocol::live::{ClientMessage, Hello, Request, Response, ServerMessage, Sub, Topic};
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildView, JobView};

use crate::exit::Failure;
use crate::fetch::Line;
use crate::link::target::{Place, Target};
use crate::link::{Link, LinkError, LinkEvent};
use crate::words;

/// So long an answer may take. Most take a few milliseconds, but a script may be in no hurry.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Session {
    link: Link,
    pub(super) hello: Hello,
    next_id: u64,
    /// What came while an answer was awaited.
    early: VecDeque<LinkEvent>,
}

impl Session {
    pub(super) async fn open(target: &Target) -> Result<Self, Failure> {
        let mut link = Link::open(target.clone());
        match link.next().await {
            Some(LinkEvent::Connected(hello)) => Ok(Self { link, hello, next_id: 1, early: VecDeque::new() }),
            Some(LinkEvent::Lost { error: LinkError::Denied(words), .. }) => {
                Err(Refusal::new(RefusalCode::Forbidden, words).into())
            }
            Some(LinkEvent::Lost { error, .. }) => Err(Failure::Unreachable(no_daemon(&target.place, &error))),
            _ => Err(Failure::Ours("the connection's task ended".to_owned())),
        }
    }

    pub(super) async fn ask(&mut self, request: Request) -> Result<Response, Failure> {
        let asked = self.next_id;
        self.next_id += 1;
        self.link.send(ClientMessage::Request { id: asked, request });
        let silence = || {
            let words = format!("the daemon has not answered for {} s: look whether it was done", PATIENCE.as_secs());
            Failure::Unreachable(words)
        };
        tokio::time::timeout(PATIENCE, self.answer(asked)).await.unwrap_or_else(|_| Err(silence()))
    }

    /// Waits for the answer to this request; what else comes is kept.
    async fn answer(&mut self, asked: u64) -> Result<Response, Failure> {
        let mut broke = false;
        loop {
            match self.link.next().await {
                // The link asks again when it is back at once.
                Some(LinkEvent::Lost { error, .. }) if broke => return Err(Failure::Unreachable(error.to_string())),
                Some(LinkEvent::Message(message)) => match *message {
                    ServerMessage::Response { id, response } if id == asked => return Ok(response),
                    ServerMessage::Refused { id, refusal } if id == asked => {
                        return Err(match refusal.code {
                            RefusalCode::Unavailable => Failure::Unreachable(refusal.message),
                            _ => refusal.into(),
                        });
                    }
                    other => self.early.push_back(LinkEvent::Message(Box::new(other))),
                },
                Some(event) => {
                    broke = matches!(event, LinkEvent::Lost { .. });
                    self.early.push_back(event);
                }
                None => return Err(Failure::Ours("the connection's task ended".to_owned())),
            }
        }
    }

    /// From now on [`Session::next`] tells of this topic, over reconnections too, in place of the one before.
    pub(super) fn subscribe(&mut self, topic: Topic) {
        self.subscribe_as(1, topic);
    }

    /// The same beside others.
    pub(super) fn subscribe_as(&mut self, sub: Sub, topic: Topic) {
        self.link.send(ClientMessage::Subscribe { sub, topic, after: None });
    }

    pub(super) fn unsubscribe(&mut self, sub: Sub) {
        self.link.send(ClientMessage::Unsubscribe { sub });
    }

    pub(super) async fn next(&mut self) -> Result<LinkEvent, Failure> {
        if let Some(event) = self.early.pop_front() {
            return Ok(event);
        }
        self.link.next().await.ok_or_else(|| Failure::Ours("the connection's task ended".to_owned()))
    }

    /// The connection for what is asked piece by piece.
    pub(super) fn line(&mut self) -> Line<'_> {
        Line { link: &mut self.link, next_id: &mut self.next_id }
    }

    pub(super) async fn build(&mut self, number: BuildNumber) -> Result<BuildView, Failure> {
        match self.ask(Request::Build { number }).await? {
            Response::Build { build } => Ok(*build),
            _ => Err(strange()),
        }
    }

    /// The daemon's clock as it was when the command began: near enough for ages.
    pub(super) fn now(&self) -> Timestamp {
        self.hello.now
    }
}

pub(super) fn strange() -> Failure {
    Failure::Ours("the daemon answered something else than was asked: is it of another version?".to_owned())
}

/// The job that an address names. A build alone means the one that failed, or the only one.
pub(super) fn find_job<'a>(build: &'a BuildView, address: &Address) -> Result<&'a JobView, Failure> {
    let number = build.build.number;
    let names = || build.jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", ");
    match &address.job {
        Some(name) => build.jobs.iter().find(|job| job.name == *name).ok_or_else(|| {
            let words = format!("build {number} has no job {name}; its jobs: {}", names());
            Refusal::new(RefusalCode::NotFound, words).into()
        }),
        None => words::telling_job(build).ok_or_else(|| {
            let words = match build.jobs.is_empty() {
                true => format!("build {number} has no jobs"),
                false => format!("no job of build {number} has begun yet; its jobs: {}", names()),
            };
            Refusal::new(RefusalCode::NotFound, words).into()
        }),
    }
}

/// The attempt that an address names, the newest if it names none.
pub(super) fn find_attempt(build: &BuildView, address: &Address) -> Result<AttemptId, Failure> {
    let job = find_job(build, address)?;
    let found = match address.attempt {
        Some(number) => job.attempts.iter().find(|attempt| attempt.number == number),
        None => job.attempts.last(),
    };
    let number = build.build.number;
    let attempt = found.ok_or_else(|| {
        let words = match (address.attempt, &job.waiting_for) {
            (Some(wanted), _) => {
                format!("{number}/{} has no attempt {wanted}; it has {}", job.name, job.attempts.len())
            }
            (None, Some(waiting)) => format!("{number}/{} has not begun: {waiting}", job.name),
            (None, None) => format!("{number}/{} never ran", job.name),
        };
        Failure::from(Refusal::new(RefusalCode::NotFound, words))
    })?;
    Ok(AttemptId { build: number, job: job.name.clone(), attempt: attempt.number })
}

fn no_daemon(place: &Place, error: &LinkError) -> String {
    if let LinkError::Untrusted(words) | LinkError::Foreign(words) = error {
        return words.clone(); // something answered: that it runs is not the question
    }
    let advice = match place {
        Place::Unix(_) => {
            "is windlassd running? start it with: windlassd serve\n\
             it listens elsewhere? say where: --connect unix:PATH, WINDLASS_CONNECT, or connect in client.toml"
        }
        Place::Tcp { .. } => "is windlassd running there, with [control] listening on this address?",
    };
    format!("{error}\n{advice}")
}
