//! The machines that jobs run on: what they are, how busy, and the jobs that hold their slots. Must not know engines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use windlass_protocol::glance::{NodeJob, NodeView};

use super::list::List;
use super::{Hits, overlay};
use crate::state::State;
use crate::state::overview::NodeRow;
use crate::theme::{Theme, Tone};
use crate::widgets::bar;
use crate::widgets::table::{Column, Row, Width};
use crate::widgets::text::Words;
use crate::words;

pub(super) fn paint(state: &State, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let Some(nodes) = &state.overview.nodes else {
        return overlay::empty(&["waiting for the daemon"], theme, area, buffer);
    };
    let rows = state.overview.node_rows();
    if rows.is_empty() {
        let lines = ["the daemon names no machine", "", "it may be older than this client: Ctrl-R asks again"];
        return overlay::empty(&lines, theme, area, buffer);
    }
    let columns = columns(area.width);
    let row = |index: usize| {
        let row = rows.get(index)?;
        let cells = columns.iter().map(|column| match row {
            NodeRow::Node(node) => node_cell(column.title, node, state),
            NodeRow::Job(job) => job_cell(column.title, job, state),
        });
        Some(Row { cells: cells.collect(), marked: false })
    };
    let cursor = state.overview.nodes_cursor;
    let list = List { columns: &columns, length: rows.len(), cursor, row: &row };
    list.paint(state, theme, area, hits, buffer, || {
        let (slots, taken) =
            nodes.iter().fold((0, 0), |(slots, taken), node| (slots + node.slots, taken + node.jobs.len()));
        let count = format!("{}: {taken} of {slots} slots taken", words::plural(nodes.len() as u64, "node"));
        let about = match rows.get(cursor.at)? {
            NodeRow::Node(node) => [engine(node, state), machine(node)],
            NodeRow::Job(job) => [
                Words::new().and(Tone::Strong, format!("{}#{} ", job.id, job.attempt)).plain(&job.title),
                Words::from((Tone::Dim, &job.repository)),
            ],
        };
        Some((count, about))
    });
}

fn columns(width: u16) -> Vec<Column> {
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let mut columns = vec![fixed("state", 11, false)];
    columns.push(Column { title: "node, and what runs there", width: Width::Rest, right: false });
    columns.push(fixed("slots", if width >= 60 { 14 } else { 7 }, true));
    if width >= 80 {
        columns.push(fixed("load", 12, true));
    }
    if width >= 100 {
        columns.push(fixed("memory", 18, true));
        columns.push(fixed("disk free", 14, true));
    }
    if width >= 140 {
        columns.push(fixed("engine", 18, false));
        columns.push(fixed("answered", 12, true));
    }
    columns
}

fn node_cell(title: &str, node: &NodeView, state: &State) -> Words {
    match title {
        "state" if node.engine.trouble.is_some() => Words::from((Tone::Bad, "! trouble")),
        "state" if tight(node) => Words::from((Tone::Warn, "! no room")),
        "state" => Words::from((Tone::Good, "✓ ready")),
        "slots" => {
            let taken = node.jobs.len() as u64;
            let tone = if taken >= node.slots { Tone::Warn } else { Tone::Plain };
            let marks = if node.slots <= 8 { bar::slots(taken, node.slots) } else { String::new() };
            Words::from((Tone::Dim, marks)).and(tone, format!(" {taken}/{}", node.slots))
        }
        "load" => node.machine.as_ref().map_or_else(Words::new, |machine| {
            let tone = if machine.load_milli > machine.cpus * 1_500 { Tone::Warn } else { Tone::Plain };
            Words::from((tone, format!("{} of {}", load(machine.load_milli), machine.cpus)))
        }),
        "memory" => node.machine.as_ref().map_or_else(Words::new, |machine| {
            let used = machine.memory_bytes.saturating_sub(machine.memory_free_bytes);
            Words::new().plain(of(used, machine.memory_bytes))
        }),
        "disk free" => node.disk.as_ref().map_or_else(Words::new, |disk| {
            Words::from((if tight(node) { Tone::Warn } else { Tone::Plain }, size(disk.free_bytes)))
        }),
        "engine" => Words::new().plain(engine_name(node)),
        "answered" => Words::from((Tone::Dim, words::age(node.answered_at, state.daemon_now()))),
        _ => Words::from((Tone::Strong, &node.name)),
    }
}

fn job_cell(title: &str, job: &NodeJob, state: &State) -> Words {
    match title {
        "state" if job.started_at.is_some() => Words::from((Tone::Running, "● running")),
        "state" => Words::from((Tone::Dim, "○ prepared")),
        "slots" => {
            let took = job.started_at.map(|started| words::running_duration(state.daemon_now().since(started)));
            Words::from((Tone::Running, took.unwrap_or_default()))
        }
        "node, and what runs there" => {
            let words = Words::from((Tone::Dim, "└ ")).and(Tone::Strong, format!("{}#{}", job.id, job.attempt));
            words.and(Tone::Dim, format!("  {}", job.step.as_deref().unwrap_or("being prepared")))
        }
        _ => Words::new(),
    }
}

fn tight(node: &NodeView) -> bool {
    node.disk.as_ref().is_some_and(|disk| disk.free_bytes < disk.wanted_bytes)
}

fn engine(node: &NodeView, state: &State) -> Words {
    let words = Words::from((Tone::Strong, &node.name)).plain(format!("  {}", engine_name(node)));
    let age = words::age(node.answered_at, state.daemon_now());
    match &node.engine.trouble {
        Some(trouble) => words.and(Tone::Bad, format!("  in trouble since {age}: {trouble}")),
        None => words.and(Tone::Dim, format!("  answered {age}")),
    }
}

fn engine_name(node: &NodeView) -> String {
    [Some(node.engine.kind.as_str()), node.engine.version.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

fn machine(node: &NodeView) -> Words {
    let mut parts = Vec::new();
    if let Some(machine) = &node.machine {
        let all = machine.memory_bytes;
        let used = all.saturating_sub(machine.memory_free_bytes);
        parts.push(format!("{}, load {}", words::plural(machine.cpus, "core"), load(machine.load_milli)));
        parts.push(format!("memory {} {}", meter(used, all), of(used, all)));
    }
    if let Some(disk) = &node.disk {
        let used = disk.total_bytes.saturating_sub(disk.free_bytes);
        let mut text = format!("disk {} {} free", meter(used, disk.total_bytes), size(disk.free_bytes));
        if tight(node) {
            text.push_str(&format!(", {} wanted before a job begins", size(disk.wanted_bytes)));
        }
        parts.push(text);
    }
    Words::from((if tight(node) { Tone::Warn } else { Tone::Dim }, parts.join("; ")))
}

/// `■■■□□`: how much of it is used. What is more than nothing is seen.
fn meter(used: u64, all: u64) -> String {
    const MARKS: u64 = 5;
    let marks = (u128::from(used) * u128::from(MARKS)).checked_div(u128::from(all)).unwrap_or(0);
    bar::slots(u64::try_from(marks).unwrap_or(MARKS).max(u64::from(used > 0)), MARKS)
}

/// `2.6 of 25.2 GB`
fn of(part: u64, all: u64) -> String {
    format!("{} of {}", size(part).trim_end_matches(" GB"), size(all))
}

fn load(milli: u64) -> String {
    format!("{}.{:02}", milli / 1_000, milli % 1_000 / 10)
}

/// To a tenth of a gigabyte: what machines are measured in.
fn size(bytes: u64) -> String {
    let tenths = bytes / 100_000_000;
    if tenths >= 1_000 { format!("{} GB", tenths / 10) } else { format!("{}.{} GB", tenths / 10, tenths % 10) }
}
