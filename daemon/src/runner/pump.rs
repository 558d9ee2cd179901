//! Carries bytes from the steps' pipes to the outlet, in a thread of its own: however long the outlet takes, the job
//! hears signals and keeps its limits. All frames go through here, so their order is that of the orders given.
//!
//! A step has one pipe for standard output and standard error. When the step's process has ended the pipe is settled:
//! closed by all who held it, or empty when those who still hold it have had a moment. What background processes of an
//! *earlier* step write belongs to the step that runs at that time; their pipe stays open until the job ends. Between
//! two steps nothing is carried. Must not know processes.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Event;
use super::collect::Bounds;
use super::outlet::Outlet;
use crate::frame::file::{FilePart, Purpose};
use crate::frame::{Body, HEADER, StepEnd};

/// What is asked of a pipe, so that a step rarely waits for us.
const PIPE_SIZE: i32 = 1 << 20;

/// Read at once, at most.
const READ: usize = 256 << 10;

/// What background processes that hold a step's pipe get to finish their writing, once the step itself has ended.
const SETTLE: Duration = Duration::from_millis(200);

#[derive(Debug)]
enum Order {
    Say(Body),
    Begin {
        step: u16,
        pipe: PipeReader,
    },
    /// Answered by [`Event::Settled`].
    Settle {
        all: bool,
    },
    /// All that is in a file. Answered by [`Event::Settled`].
    Carry(Carried),
    /// Answered by [`Event::Done`]; nothing is carried any more.
    Finish {
        decided_by: Option<(u16, StepEnd)>,
        cancelled: bool,
        peak_memory_bytes: Option<u64>,
    },
}

/// A file, to be told as a whole.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) of: Purpose,
    pub(super) path: String,
    pub(super) file: File,
    pub(super) bounds: Bounds,
    /// Once this is set, the rest of it is left out.
    pub(super) unwanted: Arc<AtomicBool>,
}

/// The job's end of the pump.
#[derive(Debug)]
pub(super) struct Pump {
    orders: Sender<Order>,
    bell: PipeWriter,
}

impl Pump {
    /// Failures of the outlet are told as [`Event::OutletBroken`].
    pub(super) fn start(outlet: Outlet, tell: Sender<Event>) -> io::Result<Self> {
        let (orders, receiver) = mpsc::channel();
        let (rung, bell) = io::pipe()?;
        thread::spawn(move || {
            let carrier =
                Carrier { outlet, orders: receiver, rung, pipes: Vec::new(), step: None, settling: None, tell };
            carrier.run();
        });
        Ok(Self { orders, bell })
    }

    pub(super) fn say(&mut self, body: Body) {
        self.order(Order::Say(body));
    }

    /// Carries what comes through `pipe`, as the output of `step`.
    pub(super) fn begin(&mut self, step: u16, pipe: PipeReader) {
        self.order(Order::Begin { step, pipe });
    }

    /// Carries what the step that has ended left in its pipe, then tells [`Event::Settled`].
    pub(super) fn settle(&mut self) {
        self.order(Order::Settle { all: false });
    }

    /// The same for all pipes that are still open; they are closed then.
    pub(super) fn settle_all(&mut self) {
        self.order(Order::Settle { all: true });
    }

    /// Tells what is in a file, then [`Event::Settled`].
    pub(super) fn carry(&mut self, carried: Carried) {
        self.order(Order::Carry(carried));
    }

    /// Tells the report, then [`Event::Done`].
    pub(super) fn finish(&mut self, decided_by: Option<(u16, StepEnd)>, cancelled: bool, peak: Option<u64>) {
        self.order(Order::Finish { decided_by, cancelled, peak_memory_bytes: peak });
    }

    fn order(&mut self, order: Order) {
        // If the pump has ended, it has told why: the job reads that next.
        let _ = self.orders.send(order);
        let _ = self.bell.write_all(&[0]);
    }
}

/// A pipe for a step's standard output and standard error: the end to read from, the end to write to.
pub(super) fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // Not allowed to everyone; a smaller one does as well.
    let _ = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    Ok((reader, writer))
}

#[derive(Debug)]
struct Carrier {
    outlet: Outlet,
    orders: Receiver<Order>,
    rung: PipeReader,
    /// Of all steps so far, where somebody holds the other end; the running step's is the last.
    pipes: Vec<Pipe>,
    /// Whose output it is that comes now.
    step: Option<u16>,
    settling: Option<Settling>,
    tell: Sender<Event>,
}

#[derive(Debug)]
struct Pipe {
    step: u16,
    reader: PipeReader,
    /// While settling: what may still be in it from before that began. 0: that is carried.
    owed: usize,
}

#[derive(Debug)]
struct Settling {
    all: bool,
    until: Instant,
}

impl Carrier {
    fn run(mut self) {
        if let Err(error) = self.carry() {
            let _ = self.tell.send(Event::OutletBroken(error));
        }
    }

    fn carry(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; HEADER + READ];
        loop {
            while let Ok(order) = self.orders.try_recv() {
                if self.obey(order)? {
                    return Ok(());
                }
            }
            self.settle()?;
            if self.outlet.flush_at().is_some_and(|at| at <= Instant::now()) {
                self.outlet.flush()?;
            }
            self.wait_and_read(&mut buffer)?;
        }
    }

    /// `true`: that was the last.
    fn obey(&mut self, order: Order) -> io::Result<bool> {
        match order {
            Order::Say(body) => {
                match &body {
                    Body::StepStarted { step } => self.step = Some(*step),
                    Body::StepEnded { .. } => self.step = None,
                    _ => {}
                }
                self.outlet.say(body)?;
            }
            Order::Begin { step, pipe } => self.pipes.push(Pipe { step, reader: pipe, owed: 0 }),
            Order::Settle { all } => {
                self.settling = Some(Settling { all, until: Instant::now() + SETTLE });
                for pipe in &mut self.pipes {
                    let size = fcntl(&pipe.reader, FcntlArg::F_GETPIPE_SZ).unwrap_or(PIPE_SIZE);
                    pipe.owed = usize::try_from(size).unwrap_or(usize::MAX);
                }
            }
            Order::Carry(carried) => {
                self.carry_file(carried)?;
                let _ = self.tell.send(Event::Settled);
            }
            Order::Finish { decided_by, cancelled, peak_memory_bytes } => {
                self.outlet.finish(decided_by, cancelled, peak_memory_bytes)?;
                let _ = self.tell.send(Event::Done);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells no more than a daemon would take, also of a file that grows meanwhile.
    fn carry_file(&mut self, carried: Carried) -> io::Result<()> {
        let Carried { of, path, mut file, bounds, unwanted } = carried;
        self.outlet.say(Body::File(FilePart::Begins { of, path: path.clone() }))?;
        let mut left = bounds.file_bytes.saturating_add(1);
        let mut piece = vec![0; self.outlet.most_at_once()];
        let why = loop {
            let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if unwanted.load(Ordering::Relaxed) {
                break "left out: the job is to end".to_owned();
            }
            match file.read(&mut piece[..most]) {
                Ok(0) => return self.outlet.say(Body::File(FilePart::Ends)),
                Ok(n) if n as u64 == left => break bounds.too_large(),
                Ok(n) => {
                    left -= n as u64;
                    self.outlet.say(Body::File(FilePart::Bytes(piece[..n].to_vec())))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break format!("cannot be read: {error}"),
            }
        };
        self.outlet.say(Body::File(FilePart::Refused { of, path, why }))
    }

    /// Says so when what had to be carried is carried.
    fn settle(&mut self) -> io::Result<()> {
        let Some(settling) = &self.settling else { return Ok(()) };
        let mut concerned = self.pipes.iter().filter(|pipe| settling.all || Some(pipe.step) == self.step).peekable();
        // All writers have gone; or those that are left had their time, and what was there before is carried.
        let settled =
            concerned.peek().is_none() || (settling.until <= Instant::now() && concerned.all(|pipe| pipe.owed == 0));
        if settled {
            if settling.all {
                self.pipes.clear();
            }
            self.settling = None;
            self.outlet.flush()?;
            let _ = self.tell.send(Event::Settled);
        }
        Ok(())
    }

    fn wait_and_read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        // Without a step there is nobody whose output it could be: whoever writes has to wait.
        let listening = if self.step.is_some() { &mut self.pipes[..] } else { &mut [] };
        let mut polled = Vec::with_capacity(1 + listening.len());
        polled.push(PollFd::new(self.rung.as_fd(), PollFlags::POLLIN));
        polled.extend(listening.iter().map(|pipe| PollFd::new(pipe.reader.as_fd(), PollFlags::POLLIN)));
        let deadline = self.outlet.flush_at().into_iter().chain(self.settling.as_ref().map(|it| it.until)).min();
        let timeout = deadline.map_or(PollTimeout::NONE, |at| {
            // Rounded up: waking too early would only mean to wait again. A pipe that is read to the end of what it
            // owes is looked at again at once.
            let left = at.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut polled, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let readable: Vec<bool> = polled.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        if readable[0] {
            let _ = self.rung.read(&mut [0; 64])?;
        }
        let Some(step) = self.step else { return Ok(()) };
        let mut index = 0;
        for readable in &readable[1..] {
            let pipe = &mut self.pipes[index];
            index += 1;
            if !readable {
                pipe.owed = 0;
                continue;
            }
            match pipe.reader.read(&mut buffer[HEADER..]) {
                Ok(0) => {
                    index -= 1;
                    self.pipes.remove(index);
                }
                Ok(n) => {
                    pipe.owed = pipe.owed.saturating_sub(n);
                    self.outlet.output(step, &mut buffer[..HEADER + n])?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
