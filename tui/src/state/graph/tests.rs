//! Graphs as a person sees them, and rules that hold for all of them.

use proptest::prelude::*;

use super::*;

/// Named jobs and what they need.
fn graph(jobs: &[(&str, &[&str])], rows: usize) -> Graph {
    let index = |name: &&str| jobs.iter().position(|(other, _)| other == name);
    let node =
        |(name, needs): &(&str, &[&str])| Node { needs: needs.iter().filter_map(index).collect(), width: name.len() };
    Graph::new(&jobs.iter().map(node).collect::<Vec<_>>(), rows, 1)
}

fn drawn(jobs: &[(&str, &[&str])], rows: usize) -> String {
    const SIGNS: [char; 16] = [' ', '╵', '╶', '╰', '╷', '│', '╭', '├', '╴', '╯', '─', '┴', '╮', '┤', '┬', '┼'];
    let graph = graph(jobs, rows);
    let mut cells = vec![vec![' '; graph.width]; graph.height];
    for ((y, x), pieces) in &graph.lines {
        let arms = Graph::arms(pieces);
        cells[*y][*x] = if arms == ARROW { '▸' } else { SIGNS[usize::from(arms & 15)] };
    }
    for ((name, _), place) in jobs.iter().zip(&graph.places) {
        for (at, letter) in name.chars().enumerate() {
            cells[place.y][place.x + at] = letter;
            cells[place.y + 1][place.x + at] = '=';
        }
    }
    let rows = cells.into_iter().map(|row| row.into_iter().collect::<String>().trim_end().to_owned());
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn graphs_are_drawn() {
    insta::assert_snapshot!("graph_chain", drawn(&[("lint", &[]), ("test", &["lint"]), ("deploy", &["test"])], 20));
    let fan: &[(&str, &[&str])] =
        &[("build", &[]), ("unit", &["build"]), ("e2e", &["build"]), ("docs", &[]), ("ship", &["unit", "e2e"])];
    insta::assert_snapshot!("graph_fan", drawn(fan, 20));
    insta::assert_snapshot!("graph_fan_close", drawn(fan, 4));
    // Two that lead to the same two are one line; two that share only one of them are two, and it shows.
    let full: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("x", &["a", "b"]), ("y", &["b", "a"])];
    insta::assert_snapshot!("graph_full", drawn(full, 20));
    let partly: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("x", &["a", "b"]), ("y", &["a"]), ("z", &["b"])];
    insta::assert_snapshot!("graph_partly", drawn(partly, 20));
    // A line passes the layer in between.
    let long: &[(&str, &[&str])] =
        &[("fetch", &[]), ("lint", &[]), ("make", &["fetch"]), ("check", &["make", "lint"]), ("ship", &["check"])];
    insta::assert_snapshot!("graph_long", drawn(long, 20));
}

#[test]
fn a_need_that_another_need_has_is_drawn_once() {
    let short = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])], 20);
    assert_eq!(short, graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])], 20));
}

#[test]
fn steps_go_along_the_lines() {
    let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["c"])], 20);
    use Way::{Down, Left, Right, Up};
    let table = [
        (0, Right, Some(1)),
        (0, Left, None),
        (1, Down, Some(2)),
        (1, Up, None),
        (1, Right, None),
        (2, Right, Some(3)),
        (3, Left, Some(2)),
        (9, Left, None),
    ];
    for (from, way, to) in table {
        assert_eq!(graph.walk(from, way), to, "{from} {way:?}");
    }
}

proptest! {
    /// Whatever the wire says: jobs never overlap, lines never run through jobs, every need can be walked.
    #[test]
    fn any_needs_make_a_graph(
        needs in proptest::collection::vec(proptest::collection::vec(0_usize..14, 0..5), 0..12),
        rows in 0_usize..40,
    ) {
        let nodes: Vec<Node> = needs.into_iter().map(|needs| Node { needs, width: 6 }).collect();
        let graph = Graph::new(&nodes, rows, 1);
        let mut taken = std::collections::BTreeSet::new();
        for place in &graph.places {
            for (y, x) in [place.y, place.y + 1].into_iter().flat_map(|y| (place.x..place.x + place.width).map(move |x| (y, x))) {
                prop_assert!(taken.insert((y, x)), "two jobs at {y} {x}");
                prop_assert!(y < graph.height && x < graph.width);
            }
        }
        for ((y, x), pieces) in &graph.lines {
            prop_assert!(!taken.contains(&(*y, *x)), "a line through a job");
            prop_assert!(*y < graph.height && *x < graph.width);
            let upright = pieces.iter().filter(|piece| piece.arms & (NORTH | SOUTH) != 0).count();
            prop_assert!(upright <= 1, "two lines along each other");
        }
        let mut listed = graph.listed();
        listed.sort_unstable();
        prop_assert_eq!(listed, (0..nodes.len()).collect::<Vec<_>>());
        for job in 0..nodes.len() {
            for need in &graph.needs[job] {
                prop_assert!(graph.places[*need].layer < graph.places[job].layer);
            }
            prop_assert_eq!(graph.walk(job, Way::Left).is_some(), !graph.needs[job].is_empty());
        }
    }
}
