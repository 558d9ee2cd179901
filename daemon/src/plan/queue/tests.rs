//! The order of the queue against a queue that is really worked off, and starts against slots that are really filled.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn lane(repository: &str, priority: i64, waiting: u64, served: u64) -> Lane {
    Lane { repository: repository.to_owned(), priority, waiting, served }
}

/// Works the lanes off, one claim after the other, by the rule in its simplest words.
fn worked_off(lanes: &[Lane]) -> Vec<(String, i64, u64)> {
    let mut lanes: Vec<(Lane, u64)> = lanes.iter().map(|lane| (lane.clone(), 0)).collect();
    let mut now = 1_000_000;
    let mut order = Vec::new();
    while let Some(best) =
        (0..lanes.len()).filter(|index| lanes[*index].1 < lanes[*index].0.waiting).min_by_key(|index| {
            (Reverse(lanes[*index].0.priority), lanes[*index].0.served, lanes[*index].0.repository.clone())
        })
    {
        let (repository, priority, ahead) = (lanes[best].0.repository.clone(), lanes[best].0.priority, lanes[best].1);
        lanes[best].1 += 1;
        now += 1;
        for (lane, _) in lanes.iter_mut().filter(|(lane, _)| lane.repository == repository) {
            lane.served = now;
        }
        order.push((repository, priority, ahead));
    }
    order
}

#[test]
fn one_repository_does_not_starve_another() {
    let order = Order::of(&[lane("big", 0, 1_000, 7), lane("small", 0, 1, 8), lane("urgent", 5, 2, 9)]);
    assert_eq!(order.position("urgent", 5, 0), Some(0));
    assert_eq!(order.position("big", 0, 0), Some(2));
    assert_eq!(order.position("small", 0, 0), Some(3), "after one of the big one, not after a thousand");
    assert_eq!(order.position("big", 0, 999), Some(1_002));
    assert_eq!(order.position("big", 0, 1_000), None);
    assert_eq!(order.position("big", 1, 0), None);
    assert_eq!(order.position("other", 0, 0), None);
}

fn lanes() -> impl Strategy<Value = Vec<Lane>> {
    prop::collection::btree_map((0..5_u8, -1..3_i64), 0..6_u64, 0..10).prop_flat_map(|lanes| {
        Just((0..5_u64).collect::<Vec<_>>()).prop_shuffle().prop_map(move |served| {
            lanes
                .iter()
                .map(|((repository, priority), waiting)| {
                    // Several may have been served never.
                    let served = served[usize::from(*repository)].saturating_sub(1);
                    lane(&format!("r{repository}"), *priority, *waiting, served)
                })
                .collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn positions_are_the_order_of_the_claims(lanes in lanes()) {
        let order = Order::of(&lanes);
        let claims = worked_off(&lanes);
        for (position, (repository, priority, ahead)) in claims.iter().enumerate() {
            prop_assert_eq!(order.position(repository, *priority, *ahead), Some(position as u64), "{:?}", (repository, priority, ahead));
        }
    }

    #[test]
    fn nobody_waits_longer_than_the_others_have_turns(lanes in lanes()) {
        // Between two claims of a repository each other one of the same priority has at most one.
        let claims = worked_off(&lanes);
        for (position, (repository, priority, ahead)) in claims.iter().enumerate() {
            let level: VecDeque<_> = claims[..position].iter().filter(|claim| claim.1 == *priority).collect();
            for other in lanes.iter().filter(|lane| lane.priority == *priority && lane.repository != *repository) {
                let theirs = level.iter().filter(|claim| claim.0 == other.repository).count() as u64;
                prop_assert!(theirs <= ahead + 1);
            }
        }
    }

    #[test]
    fn starts_never_go_back_and_never_exceed_the_slots(
        slots in 1..4_u64,
        running in prop::collection::vec(prop::option::weighted(0.9, 0..50_u64), 0..4),
        waiting in prop::collection::vec(prop::option::weighted(0.9, 1..50_u64), 0..12),
    ) {
        let told = starts(slots, &running, &waiting);
        prop_assert_eq!(told.len(), waiting.len());
        let known: Vec<u64> = told.iter().flatten().copied().collect();
        prop_assert!(known.is_sorted(), "{:?}", told);
        prop_assert!(told.iter().skip_while(|start| start.is_some()).all(Option::is_none), "{:?}", told);
        let (slots, running_many) = (usize::try_from(slots).expect("small"), running.len());
        prop_assert!(known.iter().filter(|start| **start == 0).count() >= slots.saturating_sub(running_many).min(waiting.len()));
    }
}

#[test]
fn starts_follow_from_what_runs_and_what_is_ahead() {
    assert_eq!(
        starts(2, &[Some(10), Some(30)], &[Some(5), Some(5), Some(100), Some(1)]),
        [Some(10), Some(15), Some(20), Some(30)]
    );
    assert_eq!(starts(3, &[Some(10)], &[Some(5), Some(7), Some(1)]), [Some(0), Some(0), Some(5)]);
    assert_eq!(starts(1, &[None], &[Some(5), Some(7)]), [None, None], "what runs has no history");
    assert_eq!(starts(2, &[None], &[Some(5), Some(7)]), [Some(0), None]);
    assert_eq!(starts(1, &[Some(3)], &[None, Some(7)]), [Some(3), None]);
    assert_eq!(starts(1, &[Some(3), Some(9)], &[Some(1)]), [Some(9)], "the limit was lowered");
    assert_eq!(starts(0, &[], &[Some(1)]), [None]);
}

#[test]
fn medians_are_middle_ones() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[9]), Some(9));
    assert_eq!(median(&[9, 1, 5]), Some(5));
}
