//! Why a job does not run yet, and when it probably will. Pure: what the view has read goes in as plain values. Must not know
//! the database, engines or the clock.

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Estimate, Pause, WaitingFor};

use crate::state::attempt::State;

/// An engine that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    pub engine: String,
    pub since: Timestamp,
    pub why: String,
}

/// How far the pull of an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulling {
    pub image: String,
    pub layers_done: u32,
    pub layers: u32,
    pub bytes: u64,
    pub total_bytes: u64,
}

/// The concurrency group of a build whose turn it is not. `held_by`: `None` for the moment in which nobody has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub held_by: Option<u64>,
}

/// All that may keep one job waiting.
#[derive(Debug, Clone, Default)]
pub struct Holds<'a> {
    pub group: Option<&'a Group>,
    /// Jobs that it needs and that did not pass yet.
    pub needs: Vec<String>,
    pub paused: Option<&'a Pause>,
    /// Not before this moment, and why the attempt before ended.
    pub back_off: Option<(Timestamp, String)>,
    pub away: Option<&'a Away>,
    /// Free bytes and those wanted, while less is free.
    pub room: Option<(u64, u64)>,
    pub pulling: Option<Pulling>,
    /// The engine that prepares it, once that is known.
    pub engine: Option<String>,
    /// How many start before it, where that is known.
    pub ahead: Option<u64>,
    /// Slots that are taken, and slots.
    pub slots: (u64, u64),
}

/// The reason that a person can do something about, or has to know first. `None`: it does not wait.
#[must_use]
pub fn waiting_for(state: State, holds: Holds<'_>, now: Timestamp) -> Option<WaitingFor> {
    match state {
        State::Blocked => Some(match holds.group {
            Some(Group { name, held_by: Some(held_by) }) => {
                WaitingFor::Group { group: name.clone(), held_by: *held_by }
            }
            // Whose turn it is will be known in a moment.
            Some(Group { held_by: None, .. }) if holds.needs.is_empty() => WaitingFor::Scheduler,
            _ => WaitingFor::Jobs { jobs: holds.needs },
        }),
        State::Waiting => Some(before_its_claim(holds, now)),
        State::Claimed => Some(match holds.pulling {
            Some(Pulling { image, layers_done, layers, bytes, total_bytes }) => {
                WaitingFor::Pull { image, layers_done, layers, bytes, total_bytes }
            }
            None => WaitingFor::Engine { engine: holds.engine.unwrap_or_else(|| "the engine".to_owned()) },
        }),
        State::Running | State::Finished => None,
    }
}

fn before_its_claim(holds: Holds<'_>, now: Timestamp) -> WaitingFor {
    if let Some(Pause { repository, by, since, reason }) = holds.paused.cloned() {
        return WaitingFor::Paused { repository, by, since, reason };
    }
    if let Some((until, why)) = holds.back_off.filter(|(until, _)| *until > now) {
        return WaitingFor::BackOff { until, why };
    }
    if let Some(Away { engine, since, why }) = holds.away.cloned() {
        return WaitingFor::EngineAway { engine, since, why };
    }
    if let Some((free_bytes, wanted_bytes)) = holds.room {
        return WaitingFor::Room { free_bytes, wanted_bytes };
    }
    let (running, limit) = holds.slots;
    let ahead = holds.ahead.unwrap_or(0);
    if running.saturating_add(ahead) < limit {
        return WaitingFor::Scheduler;
    }
    WaitingFor::Capacity { position: ahead + 1, running, limit }
}

/// What pauses a repository: the queue's pause before its own.
#[must_use]
pub fn paused<'a>(pauses: &'a [Pause], repository: &str) -> Option<&'a Pause> {
    let whole = pauses.iter().find(|pause| pause.repository.is_none());
    let own = |pause: &&Pause| pause.repository.as_ref().is_some_and(|paused| paused.eq_ignore_ascii_case(repository));
    whole.or_else(|| pauses.iter().find(own))
}

/// The reason as a list's row says it: without what changes all the time, or every row would be sent again with each job
/// that starts.
#[must_use]
pub fn in_a_row(reason: &WaitingFor) -> String {
    match reason {
        WaitingFor::Capacity { running, limit, .. } => format!("every slot is taken ({running} of {limit})"),
        WaitingFor::Pull { image, .. } => format!("pulling {image}"),
        WaitingFor::Room { .. } => "too little room on the daemon's disk".to_owned(),
        WaitingFor::Jobs { jobs } if jobs.is_empty() => "needs other jobs".to_owned(),
        other => other.to_string(),
    }
}

/// Its place may change, or a figure in it, without anything in the database changing.
#[must_use]
pub fn moves_by_itself(reason: &WaitingFor) -> bool {
    matches!(
        reason,
        WaitingFor::Pull { .. }
            | WaitingFor::Engine { .. }
            | WaitingFor::EngineAway { .. }
            | WaitingFor::Room { .. }
            | WaitingFor::BackOff { .. }
    )
}

/// Estimates are told to this many milliseconds, so that they stand still while nothing happens.
const GRAIN: i64 = 10_000;

/// When slots come free, from how long what runs usually takes.
#[derive(Debug, Clone)]
pub struct Outlook {
    now: Timestamp,
    free: u64,
    /// When each taken slot probably ends, the soonest first.
    ends: Vec<i64>,
    /// How long jobs usually take.
    typical: Option<u64>,
}

impl Outlook {
    /// `running`: when each began, and how long it usually takes. `typical` stands in where nothing is known of a job.
    #[must_use]
    pub fn new(now: Timestamp, limit: u64, running: &[(Timestamp, Option<u64>)], typical: Option<u64>) -> Self {
        let end = |(began, takes): &(Timestamp, Option<u64>)| {
            let takes = i64::try_from(takes.or(typical)?).ok()?;
            Some(began.0.saturating_add(takes).max(now.0))
        };
        let mut ends: Vec<i64> = running.iter().filter_map(end).collect();
        // About a slot that nothing is known of, nothing can be told.
        if ends.len() < running.len() {
            ends.clear();
        }
        ends.sort_unstable();
        Self { now, free: limit.saturating_sub(running.len() as u64), ends, typical }
    }

    /// When that starts which has so many before it. `None`: nobody can tell.
    #[must_use]
    pub fn starts_at(&self, ahead: u64) -> Option<Timestamp> {
        let Some(over) = ahead.checked_sub(self.free) else { return Some(grain(self.now.0)) };
        let slots = self.ends.len() as u64 + self.free;
        if self.ends.is_empty() && self.free == 0 {
            return None;
        }
        // Free slots are taken first, for one typical job each; then one slot after the other comes free, round and round.
        let typical = i64::try_from(self.typical.unwrap_or(0)).unwrap_or(i64::MAX);
        let (round, place) = (over / slots, usize::try_from(over % slots).unwrap_or(usize::MAX));
        let mut first = self.ends.clone();
        first.extend((0..self.free).map(|_| self.now.0.saturating_add(typical)));
        first.sort_unstable();
        if (round > 0 || self.free > 0) && self.typical.is_none() {
            return None;
        }
        let wait = typical.saturating_mul(i64::try_from(round).unwrap_or(i64::MAX));
        first.get(place).map(|end| grain(end.saturating_add(wait)))
    }
}

/// Rounded up.
fn grain(at: i64) -> Timestamp {
    Timestamp(at.saturating_add(GRAIN - 1).div_euclid(GRAIN).saturating_mul(GRAIN))
}

/// What there is to tell of a job that waits or runs; `None` when that is nothing.
#[must_use]
pub fn estimate(reason: Option<&WaitingFor>, outlook: &Outlook, takes_ms: Option<u64>) -> Option<Estimate> {
    let starts_at = match reason {
        Some(WaitingFor::Scheduler) => outlook.starts_at(0),
        Some(WaitingFor::Capacity { position, .. }) => outlook.starts_at(position - 1),
        Some(WaitingFor::BackOff { until, .. }) => Some(*until),
        _ => None,
    };
    (starts_at.is_some() || takes_ms.is_some()).then_some(Estimate { starts_at, takes_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn pause(repository: Option<&str>) -> Pause {
        Pause { repository: repository.map(ToOwned::to_owned), by: "ann".to_owned(), since: NOW, reason: None }
    }

    /// Everything holds it at once; then one after the other lets go, in the order in which they are told.
    #[test]
    fn the_first_of_several_reasons_is_told() {
        let group = Group { name: "main".to_owned(), held_by: Some(41) };
        let away = Away { engine: "docker".to_owned(), since: NOW, why: "it hangs".to_owned() };
        let paused = pause(None);
        let pulling = Pulling { image: "a:1".to_owned(), layers_done: 1, layers: 2, bytes: 3, total_bytes: 4 };
        let mut holds = Holds {
            group: Some(&group),
            needs: vec!["lint".to_owned()],
            paused: Some(&paused),
            back_off: Some((Timestamp(NOW.0 + 1), "lost".to_owned())),
            away: Some(&away),
            room: Some((1, 2)),
            pulling: Some(pulling),
            engine: Some("docker".to_owned()),
            ahead: Some(2),
            slots: (2, 2),
        };
        let told = |state, holds: &Holds<'_>| {
            let reason = waiting_for(state, holds.clone(), NOW).expect("it waits");
            serde_json::to_value(reason).expect("JSON")["kind"].as_str().expect("a word").to_owned()
        };
        assert_eq!(told(State::Blocked, &holds), "group");
        holds.group = None;
        assert_eq!(told(State::Blocked, &holds), "jobs");
        assert_eq!(told(State::Waiting, &holds), "paused");
        holds.paused = None;
        assert_eq!(told(State::Waiting, &holds), "back_off");
        holds.back_off = Some((NOW, "lost".to_owned()));
        assert_eq!(told(State::Waiting, &holds), "engine_away", "the back-off is over");
        holds.away = None;
        assert_eq!(told(State::Waiting, &holds), "room");
        holds.room = None;
        assert_eq!(told(State::Waiting, &holds), "capacity");
        holds.slots = (1, 4);
        assert_eq!(told(State::Waiting, &holds), "scheduler");
        assert_eq!(told(State::Claimed, &holds), "pull");
        holds.pulling = None;
        assert_eq!(told(State::Claimed, &holds), "engine");
        for state in [State::Running, State::Finished] {
            assert_eq!(waiting_for(state, holds.clone(), NOW), None);
        }
    }

    #[test]
    fn a_turn_that_nobody_has_is_no_group_to_wait_for() {
        let group = Group { name: "main".to_owned(), held_by: None };
        let holds = Holds { group: Some(&group), ..Holds::default() };
        assert_eq!(waiting_for(State::Blocked, holds.clone(), NOW), Some(WaitingFor::Scheduler));
        let holds = Holds { needs: vec!["lint".to_owned()], ..holds };
        assert!(matches!(waiting_for(State::Blocked, holds, NOW), Some(WaitingFor::Jobs { .. })));
    }

    #[test]
    fn the_pause_of_the_queue_is_told_before_that_of_a_repository() {
        let pauses = [pause(Some("acme/app")), pause(None)];
        assert_eq!(paused(&pauses, "ACME/App"), Some(&pauses[1]));
        assert_eq!(paused(&pauses[..1], "ACME/App"), Some(&pauses[0]));
        assert_eq!(paused(&pauses[..1], "acme/site"), None);
    }

    #[test]
    fn a_row_does_not_change_with_each_job_that_starts() {
        let capacity = |position| WaitingFor::Capacity { position, running: 2, limit: 2 };
        assert_eq!(in_a_row(&capacity(1)), in_a_row(&capacity(9)));
        let pull =
            |bytes| WaitingFor::Pull { image: "a:1".to_owned(), layers_done: 0, layers: 1, bytes, total_bytes: 9 };
        assert_eq!(in_a_row(&pull(1)), in_a_row(&pull(2)));
    }

    #[test]
    fn starts_are_told_from_what_runs() {
        let at = |seconds: i64| Some(Timestamp(NOW.0 + seconds * 1_000));
        let running = [(NOW, Some(60_000)), (NOW, Some(20_000))];
        // free slots or not, ahead, when
        let table = [
            (2, Some(100_000), 0, at(20)),
            (2, Some(100_000), 1, at(60)),
            (2, Some(100_000), 2, at(120)),
            (2, Some(100_000), 3, at(160)),
            (2, None, 0, at(20)),
            (2, None, 2, None), // of what starts before it nothing is known
            (3, Some(30_000), 0, at(0)),
            (3, Some(30_000), 1, at(20)),
            (3, Some(30_000), 2, at(30)),
            (3, None, 0, at(0)),
            (3, None, 1, None),
        ];
        for (limit, typical, ahead, expected) in table {
            let outlook = Outlook::new(NOW, limit, &running, typical);
            assert_eq!(outlook.starts_at(ahead), expected, "{limit} slots, typically {typical:?}, {ahead} ahead");
        }
    }

    #[test]
    fn nothing_is_made_up() {
        let unknown = Outlook::new(NOW, 1, &[(NOW, None)], None);
        assert_eq!(unknown.starts_at(0), None);
        let guessed = Outlook::new(NOW, 1, &[(NOW, None)], Some(30_000));
        assert_eq!(guessed.starts_at(0), Some(Timestamp(NOW.0 + 30_000)));
        // What takes longer than usual may end at any moment.
        let overdue = Outlook::new(NOW, 1, &[(Timestamp(0), Some(1))], None);
        assert_eq!(overdue.starts_at(0), Some(NOW));
        assert_eq!(Outlook::new(NOW, 0, &[], Some(1)).starts_at(0), None);
        assert_eq!(estimate(Some(&WaitingFor::Jobs { jobs: vec![] }), &guessed, None), None);
        let told = estimate(None, &guessed, Some(5));
        assert_eq!(told, Some(Estimate { starts_at: None, takes_ms: Some(5) }));
    }
}
