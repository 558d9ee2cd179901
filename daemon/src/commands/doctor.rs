//! `windlassd doctor`: what is wrong, and what becomes of it, for people or as JSON.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use windlass_daemon::doctor::{self, Area, Finding, Options, Repair, Report, Weight};

use super::{ConfigArgs, Progress, print};

#[derive(Debug, Args)]
#[command(after_help = "\
A daemon may work meanwhile: doctor does not disturb it, and says what has to wait until it is stopped. Without --repair
nothing is changed (with --deep the engine is prepared as a daemon does at its start).

Exit codes: 0 nothing is wrong, or all that was is repaired; 1 something is wrong. Notes do not count.

--json prints one object: `wrong`, `repaired`, `possible` (what --repair would mend) are numbers, `daemon` says whether one
works on the data folder, `facts` is a list of {area, says}, `findings` one of {area, kind, weight, subject, what, remedy,
repair, trouble}. `weight` is wrong or note; `repair` is by_hand, possible, stop_first, done or failed, and then `trouble`
says why. `area` is configuration, data, database, disk, logs, artifacts, engine or leftovers; `kind` is a word that stays the same.")]
pub(crate) struct DoctorArgs {
    /// Mend what can be mended, and say so
    #[arg(long)]
    repair: bool,
    /// Also read every stored log and compare its SHA-256, and try whether containers see files of this host
    #[arg(long)]
    deep: bool,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let options = Options { repair: args.repair, deep: args.deep };
    let mut progress = Progress::new();
    let report = doctor::examine(args.config.load(), options, &mut |what| progress.say(what)).await;
    drop(progress);
    if args.json {
        let mut object = serde_json::to_value(&report)?;
        object["wrong"] = report.wrong().into();
        object["repaired"] = report.repaired().into();
        object["possible"] = report.possible().into();
        print(&serde_json::to_string_pretty(&object)?);
    } else {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print(text(&report, colours).trim_end());
    }
    Ok(if report.wrong() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(report: &Report, colours: bool) -> String {
    let paint = |code: &str, text: &str| if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let mut out = String::new();
    for area in Area::ALL {
        let findings: Vec<&Finding> = report.findings.iter().filter(|finding| finding.area == area).collect();
        let facts: Vec<&str> =
            report.facts.iter().filter(|fact| fact.area == area).map(|fact| fact.says.as_str()).collect();
        if findings.is_empty() && facts.is_empty() {
            continue;
        }
        // The long ones each in a line of their own.
        let says = facts.join(&format!("\n{:<15}", ""));
        let _ = writeln!(out, "{}{says}", paint("1", &format!("{:<15}", name(area))));
        for finding in findings {
            let mark = match (finding.repair, finding.weight) {
                (Repair::Done, _) => paint("32", "mended"),
                (_, Weight::Wrong) => paint("31", "wrong "),
                (_, Weight::Note) => paint("33", "note  "),
            };
            let _ = writeln!(out, "  {mark}  {}", finding.what);
            let remedy = match finding.repair {
                Repair::ByHand | Repair::StopFirst => finding.remedy.clone(),
                Repair::Possible => format!("--repair {}", finding.remedy),
                Repair::Done => format!("done: {}", finding.remedy),
                Repair::Failed => {
                    format!("{}: failed: {}", finding.remedy, finding.trouble.as_deref().unwrap_or("it says nothing"))
                }
            };
            let _ = writeln!(out, "          {}", paint("2", &remedy));
        }
    }
    let _ = write!(out, "\n{}", summary(report));
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn summary(report: &Report) -> String {
    let (wrong, repaired, possible) = (report.wrong(), report.repaired(), report.possible());
    let mut parts = vec![match wrong {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        many => format!("{many} things are wrong"),
    }];
    if repaired > 0 {
        parts.push(format!("{repaired} mended"));
    }
    if possible > 0 {
        parts.push(format!("`windlassd doctor --repair` mends {possible}"));
    }
    parts.join("; ")
}

fn name(area: Area) -> &'static str {
    match area {
        Area::Configuration => "configuration",
        Area::Data => "data folder",
        Area::Database => "database",
        Area::Disk => "disk",
        Area::Logs => "logs",
        Area::Artifacts => "artifacts",
        Area::Engine => "engine",
        Area::Leftovers => "leftovers",
    }
}
