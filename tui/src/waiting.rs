//! Why something waits, when it will start, how a cancel goes on: in words. Used by screens and commands alike. Must not know
//! where they are shown.

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Cancelling, Estimate, JobView, Pause, Status, StepView, WaitingFor};

use crate::words;

/// Why a job waits, in a sentence. What has a moment in it counts from now.
pub(crate) fn reason(waiting_for: Option<&WaitingFor>, now: Timestamp) -> String {
    match waiting_for {
        None => "waiting".to_owned(),
        Some(WaitingFor::Jobs { jobs }) if jobs.is_empty() => "needs other jobs".to_owned(),
        Some(WaitingFor::BackOff { until, why }) if until.0 > now.0 => {
            format!("tried again in {}: {why}", words::running_duration(until.since(now)))
        }
        Some(WaitingFor::BackOff { why, .. }) => format!("tried again now: {why}"),
        Some(WaitingFor::EngineAway { engine, since, why }) => {
            format!("{engine} has not answered for {}: {why}", words::running_duration(now.since(*since)))
        }
        Some(WaitingFor::Pull { image, layers: 0, .. }) => format!("pulling {image}"),
        Some(other) => other.to_string(),
    }
}

/// `starts in about 2 min`; nothing when nobody knows, or when the reason itself tells.
pub(crate) fn start(waiting_for: Option<&WaitingFor>, estimate: Option<&Estimate>, now: Timestamp) -> Option<String> {
    if matches!(waiting_for, Some(WaitingFor::Scheduler | WaitingFor::BackOff { .. })) {
        return None;
    }
    let at = estimate?.starts_at?;
    Some(match at.since(now) {
        0..=2_999 => "starts any moment".to_owned(),
        left => format!("starts in about {}", about(left)),
    })
}

/// The reason, and the estimate if there is one.
pub(crate) fn why(waiting_for: Option<&WaitingFor>, estimate: Option<&Estimate>, now: Timestamp) -> String {
    let reason = reason(waiting_for, now);
    match start(waiting_for, estimate, now) {
        Some(start) => format!("{reason}, {start}"),
        None => reason,
    }
}

/// `usually takes 3 min`.
pub(crate) fn takes(estimate: Option<&Estimate>) -> Option<String> {
    Some(format!("usually takes {}", about(estimate?.takes_ms?)))
}

/// `10 s`, `2 min`, `3 h`: no more exact than a guess is.
fn about(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    match seconds {
        0..=9 => format!("{seconds} s"),
        10..=89 => format!("{} s", seconds.div_ceil(10) * 10),
        90..=5_399 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1_800) / 3_600),
    }
}

/// What makes a reason worth a new line for somebody who watches: not each megabyte of a pull, not each place in a long queue.
pub(crate) fn news(waiting_for: Option<&WaitingFor>) -> String {
    match waiting_for {
        Some(WaitingFor::Pull { image, layers_done, layers, .. }) => {
            let quarter = (layers_done * 4).checked_div(*layers).unwrap_or(0);
            format!("pull {image} {quarter}")
        }
        Some(WaitingFor::Capacity { position, .. }) => {
            let place = if *position <= 3 { *position } else { 2 + u64::from(position.ilog2()) };
            format!("capacity {place}")
        }
        Some(WaitingFor::EngineAway { engine, since, .. }) => format!("away {engine} {since}"),
        Some(WaitingFor::Room { .. }) => "room".to_owned(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// What a person can do about it; nothing where waiting is all there is to do.
pub(crate) fn what_to_do(waiting_for: &WaitingFor) -> Option<String> {
    match waiting_for {
        WaitingFor::Paused { repository: None, .. } => Some("end the pause:  windlass resume".to_owned()),
        WaitingFor::Paused { repository: Some(repository), .. } => {
            Some(format!("end the pause:  windlass resume {}", words::for_shell(repository)))
        }
        WaitingFor::Group { held_by, .. } => Some(format!("what it waits for:  windlass show {held_by}")),
        WaitingFor::EngineAway { engine, .. } => {
            Some(format!("start {engine} on the daemon's machine; then it goes on by itself"))
        }
        WaitingFor::Room { .. } => Some("make room on the daemon's disk; then it goes on by itself".to_owned()),
        WaitingFor::Capacity { .. } => Some("what is before it:  windlass queue".to_owned()),
        _ => None,
    }
}

/// `the queue` or the repository's name.
pub(crate) fn paused_name(pause: &Pause) -> &str {
    pause.repository.as_deref().unwrap_or("the queue")
}

/// `acme/app is paused by ann for 4m 07s: the registry moves`.
pub(crate) fn pause(pause: &Pause, now: Timestamp) -> String {
    let time = words::running_duration(now.since(pause.since));
    let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} is paused by {} for {time}{reason}", paused_name(pause), pause.by)
}

/// What happens to a job that was asked to stop, and when: the grace, then its `finally` steps, then the end.
pub(crate) fn countdown(cancelling: &Cancelling, steps: &[StepView], now: Timestamp) -> String {
    let left = cancelling.kill_at.since(now).div_ceil(1_000);
    if cancelling.force || left == 0 {
        return format!("being killed, as {} asked", cancelling.by);
    }
    if steps.iter().any(|step| step.finally && step.status == Status::Running) {
        return format!("asked to stop by {}: finally steps run, killed in {left} s", cancelling.by);
    }
    let after = if steps.iter().any(|step| step.finally) { ", then finally steps run" } else { "" };
    format!("asked to stop by {}: killed in {left} s{after}", cancelling.by)
}

/// The same for a job's newest attempt; nothing when it is not being stopped.
pub(crate) fn stopping(job: &JobView, now: Timestamp) -> Option<String> {
    let attempt = job.attempts.last()?;
    Some(countdown(attempt.cancelling.as_ref()?, &attempt.steps, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn after(seconds: i64) -> Timestamp {
        Timestamp(NOW.0 + seconds * 1_000)
    }

    #[test]
    fn moments_count_from_now() {
        let back_off = |seconds| WaitingFor::BackOff { until: after(seconds), why: "docker went away".to_owned() };
        assert_eq!(reason(Some(&back_off(25)), NOW), "tried again in 25 s: docker went away");
        assert_eq!(reason(Some(&back_off(0)), NOW), "tried again now: docker went away");
        let away =
            WaitingFor::EngineAway { engine: "docker".to_owned(), since: after(-125), why: "it hangs".to_owned() };
        assert_eq!(reason(Some(&away), NOW), "docker has not answered for 2m 05s: it hangs");
    }

    #[test]
    fn an_estimate_is_as_exact_as_a_guess_is() {
        let capacity = WaitingFor::Capacity { position: 2, running: 2, limit: 2 };
        let at = |seconds| Estimate { starts_at: Some(after(seconds)), takes_ms: None };
        let table = [
            (-5, "starts any moment"),
            (4, "starts in about 4 s"),
            (41, "starts in about 50 s"),
            (118, "starts in about 2 min"),
            (7_000, "starts in about 2 h"),
        ];
        for (seconds, words) in table {
            assert_eq!(start(Some(&capacity), Some(&at(seconds)), NOW).as_deref(), Some(words));
        }
        assert_eq!(start(Some(&capacity), None, NOW), None);
        assert_eq!(start(Some(&WaitingFor::Scheduler), Some(&at(5)), NOW), None, "it says so itself");
        let takes_ms = Some(170_000);
        assert_eq!(takes(Some(&Estimate { starts_at: None, takes_ms })).as_deref(), Some("usually takes 3 min"));
    }

    #[test]
    fn who_watches_is_told_of_changes_that_matter() {
        let pull = |layers_done, bytes| WaitingFor::Pull {
            image: "a:1".to_owned(),
            layers_done,
            layers: 8,
            bytes,
            total_bytes: 100,
        };
        assert_eq!(news(Some(&pull(0, 1))), news(Some(&pull(1, 90))));
        assert_ne!(news(Some(&pull(1, 90))), news(Some(&pull(2, 90))));
        let at = |position| WaitingFor::Capacity { position, running: 2, limit: 2 };
        let lines: std::collections::BTreeSet<String> = (1..=500).map(|position| news(Some(&at(position)))).collect();
        assert!(lines.len() < 12, "{lines:?}");
        assert_ne!(news(Some(&at(1))), news(Some(&at(2))));
    }

    #[test]
    fn a_cancel_tells_its_phases() {
        let step = |finally, status| {
            serde_json::from_value::<StepView>(serde_json::json!({"name": "s", "status": status, "finally": finally}))
                .expect("a step")
        };
        let cancelling = |force| Cancelling { by: "ann".to_owned(), since: NOW, kill_at: after(8), force };
        let (plain, waits, runs) = (step(false, "running"), step(true, "waiting"), step(true, "running"));
        let table: [(&[StepView], &str); 3] = [
            (std::slice::from_ref(&plain), "asked to stop by ann: killed in 8 s"),
            (&[plain.clone(), waits], "asked to stop by ann: killed in 8 s, then finally steps run"),
            (&[plain.clone(), runs], "asked to stop by ann: finally steps run, killed in 8 s"),
        ];
        for (steps, words) in table {
            assert_eq!(countdown(&cancelling(false), steps, NOW), words);
        }
        assert_eq!(countdown(&cancelling(true), &[], NOW), "being killed, as ann asked");
    }

    #[test]
    fn what_can_be_done_is_said() {
        let paused = |repository: Option<&str>| WaitingFor::Paused {
            repository: repository.map(ToOwned::to_owned),
            by: "ann".to_owned(),
            since: NOW,
            reason: None,
        };
        assert_eq!(what_to_do(&paused(None)).as_deref(), Some("end the pause:  windlass resume"));
        assert_eq!(what_to_do(&paused(Some("acme/$x"))).as_deref(), Some("end the pause:  windlass resume 'acme/$x'"));
        assert_eq!(what_to_do(&WaitingFor::Scheduler), None);
    }
}
