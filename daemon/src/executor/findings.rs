//! What tools say about the source of an attempt: in the reports it left, and in lines of its log, which is looked through once,
//! when it is finished. Both come from a stranger: what is too much is let go. Must not know where findings are kept.

use std::sync::atomic::AtomicBool;

use windlass_protocol::id::AttemptId;

use super::Executor;
use crate::error_chain::chain;
use crate::event::clean;
use crate::findings::place::Roots;
use crate::findings::{Findings, command, kept};
use crate::frame::file::FilePart;
use crate::logs::{LogReader, Pattern, Search};
use crate::plan::{JobPlan, MOST_FILES, MOST_REPORT, MOST_REPORT_BYTES};
use crate::store::NewFindings;

/// More lines of a log are not taken.
const MOST_LINES: usize = 2_000;
/// Of a log that is longer, only the beginning is looked through: a second or two.
const LOOKED_THROUGH: u64 = 2 << 30;

/// `None` inside: the job has no such reports, so whatever comes is nobody's.
#[derive(Debug)]
pub(super) struct SarifReports(Option<Taken>);

#[derive(Debug)]
struct Taken {
    findings: Findings,
    /// The one that is coming.
    file: Option<(String, Vec<u8>)>,
    bytes: u64,
    files: usize,
    /// Something came: the runner got as far as its reports.
    came: bool,
}

impl SarifReports {
    pub(super) fn of(job: &JobPlan, roots: Roots) -> Self {
        let taken = || Taken { findings: Findings::below(roots), file: None, bytes: 0, files: 0, came: false };
        Self((!job.reports.sarif.is_empty()).then(taken))
    }

    pub(super) async fn take(&mut self, part: FilePart) {
        let Some(taken) = &mut self.0 else { return };
        taken.came = true;
        match part {
            FilePart::Begins { path, .. } => {
                taken.cut();
                taken.files += 1;
                if taken.files <= MOST_FILES {
                    taken.file = Some((path, Vec::new()));
                }
            }
            FilePart::Bytes(bytes) => taken.grow(&bytes),
            FilePart::Ends => {
                let Some((path, bytes)) = taken.file.take() else { return };
                let mut findings = std::mem::take(&mut taken.findings);
                let read = tokio::task::spawn_blocking(move || {
                    findings.add_sarif(&path, &bytes);
                    findings
                });
                match read.await {
                    Ok(findings) => taken.findings = findings,
                    Err(error) => {
                        tracing::error!(%error, "reading a report ended early");
                        taken.findings.trouble("a report", "could not be read for a fault of the daemon's");
                    }
                }
            }
            FilePart::Refused { path, why, .. } => {
                taken.file = None;
                taken.findings.trouble(&path, &why);
            }
        }
    }

    /// All that came. `None`: the job has no such reports.
    pub(super) fn finish(self) -> Option<Findings> {
        let mut taken = self.0?;
        taken.cut();
        if !taken.came {
            taken.findings.trouble("reports", "none came: the job ended before they could be read");
        }
        Some(taken.findings)
    }
}

impl Taken {
    fn grow(&mut self, bytes: &[u8]) {
        let Some((path, file)) = &mut self.file else { return };
        self.bytes += bytes.len() as u64;
        if (file.len() + bytes.len()) as u64 > MOST_REPORT || self.bytes > MOST_REPORT_BYTES {
            let path = std::mem::take(path);
            self.file = None;
            self.findings.trouble(&path, "larger than a report may be");
            return;
        }
        file.extend_from_slice(bytes);
    }

    /// A file that did not end, and never will.
    fn cut(&mut self) {
        if let Some((path, _)) = self.file.take() {
            self.findings.trouble(&path, "did not arrive whole");
        }
    }
}

/// What the log says of them: only what could not be taken, so that otherwise it is what the steps wrote and nothing else.
pub(super) fn words(findings: &Findings) -> Vec<String> {
    findings.counts.troubles.iter().map(|trouble| format!("[windlass] report {}", clean(trouble, 500))).collect()
}

/// What reports said, and what the finished log says, as it is kept. `None`: nobody says anything, and no report was wanted.
pub(super) async fn all(executor: &Executor, id: &AttemptId, of_reports: Option<Findings>) -> Option<NewFindings> {
    let (logs, of, wanted) = (executor.logs.clone(), id.clone(), of_reports.is_some());
    let mut findings = of_reports.unwrap_or_else(|| Findings::below(executor.engines.workspaces(id)));
    let work = tokio::task::spawn_blocking(move || {
        // Of an attempt of which nothing ran there may be no log.
        if let Ok(reader) = logs.reader(&of)
            && let Err(error) = add_lines(&mut findings, &reader)
        {
            tracing::warn!(attempt = %of, error = %chain(&error), "its log could not be looked through");
            findings.trouble("log", "could not be looked through for a fault of the daemon's");
        }
        let (counts, all) = findings.close();
        (wanted || !counts.is_empty()).then(|| NewFindings { counts, findings: kept::pack(&all) })
    });
    work.await.unwrap_or_else(|error| {
        tracing::error!(attempt = %id, %error, "looking for annotations ended early");
        None
    })
}

fn add_lines(findings: &mut Findings, log: &LogReader) -> Result<(), crate::logs::LogError> {
    let Ok(pattern) = Pattern::new(command::PATTERN) else { return Ok(()) };
    let stop = AtomicBool::new(false);
    let search = Search { from: 0, backwards: false, limit: MOST_LINES, budget: LOOKED_THROUGH, stop: &stop };
    let found = log.search(&pattern, &search)?;
    for &line in &found.lines {
        findings.add_line(line, &log.line_bytes(line, 0, command::LONGEST)?);
    }
    match found.next {
        Some(_) if found.lines.len() == MOST_LINES => {
            findings.trouble("log", &format!("only the first {MOST_LINES} lines with annotations were taken"));
        }
        Some(next) => findings.trouble("log", &format!("was looked through only up to line {next}: it is too long")),
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::file::Purpose;
    use crate::logs::LogStore;

    fn asked() -> SarifReports {
        let taken = Taken { findings: Findings::default(), file: None, bytes: 0, files: 0, came: false };
        SarifReports(Some(taken))
    }

    fn begins(path: &str) -> FilePart {
        FilePart::Begins { of: Purpose::Sarif, path: path.to_owned() }
    }

    fn bytes(text: &str) -> FilePart {
        FilePart::Bytes(text.as_bytes().to_vec())
    }

    const ONE: &str = r#"{"version":"2.1.0","runs":[{"results":[{"message":{"text":"odd"}}]}]}"#;

    #[tokio::test]
    async fn pieces_become_files_and_files_findings() {
        let mut reports = asked();
        let (first, rest) = ONE.split_at(20);
        for part in [
            begins("a.sarif"),
            bytes(first),
            bytes(rest),
            FilePart::Ends,
            begins("broken.sarif"),
            bytes("{\"runs\": [\n"),
            FilePart::Ends,
            FilePart::Refused { of: Purpose::Sarif, path: "x".to_owned(), why: "no such file was written".to_owned() },
            begins("cut.sarif"),
            bytes(ONE),
        ] {
            reports.take(part).await;
        }
        let findings = reports.finish().expect("asked for");
        assert_eq!(findings.counts.warnings, 1);
        assert_eq!(
            words(&findings),
            [
                "[windlass] report broken.sarif: left out: it ends in the middle (line 2)",
                "[windlass] report x: no such file was written",
                "[windlass] report cut.sarif: did not arrive whole",
            ]
        );
    }

    #[tokio::test]
    async fn forged_frames_cost_nothing_and_count_for_nothing() {
        let mut nobody = SarifReports(None);
        for part in [begins("a.sarif"), bytes(ONE), FilePart::Ends] {
            nobody.take(part).await;
        }
        assert!(nobody.finish().is_none());

        let mut reports = asked();
        for part in [FilePart::Ends, bytes(ONE), FilePart::Ends, begins("large.sarif")] {
            reports.take(part).await;
        }
        for _ in 0..20 {
            reports.take(FilePart::Bytes(vec![b'['; 1 << 20])).await;
        }
        reports.take(FilePart::Ends).await;
        for n in 0..MOST_FILES {
            let other = ONE.replace("odd", &n.to_string());
            for part in [begins(&n.to_string()), bytes(&other), FilePart::Ends] {
                reports.take(part).await;
            }
        }
        let (counts, all) = reports.finish().expect("asked for").close();
        assert_eq!(counts.warnings, MOST_FILES as u64 - 1, "no more files than a runner sends");
        assert_eq!(all.len(), 1_000);
        assert_eq!(counts.troubles[0], "large.sarif: larger than a report may be");

        let none = asked().finish().expect("asked for");
        assert_eq!(none.counts.troubles, ["reports: none came: the job ended before they could be read"]);
    }

    #[test]
    fn lines_of_a_log_are_found_with_their_numbers_and_there_is_an_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = LogStore::open(folder.path()).expect("a store");
        let id: AttemptId = "7/test#1".parse().expect("an id");
        let mut writer = logs.writer(&id).expect("a writer");
        let log = "hello\n::error file=a.rs,line=3::no\n echo '::error::not this'\n  ::warning::\u{1b}[31mred\r\n::error file=a.rs,line=3::no\n";
        writer.append(0, 1, log.as_bytes(), 1).expect("written");
        writer.finish(2).expect("finished");
        let reader = logs.reader(&id).expect("a reader");
        let mut findings = Findings::default();
        add_lines(&mut findings, &reader).expect("looked through");
        let (counts, all) = findings.close();
        assert_eq!(
            (counts.errors, counts.warnings, counts.troubles.len()),
            (1, 1, 0),
            "what is said twice is told once"
        );
        let at: Vec<_> = all.iter().map(|finding| (finding.log_line, finding.message.as_str())).collect();
        assert_eq!(at, [(Some(1), "no"), (Some(3), "\u{1b}[31mred")]);

        let id: AttemptId = "7/many#1".parse().expect("an id");
        let mut writer = logs.writer(&id).expect("a writer");
        let many: String = (0..MOST_LINES + 5).map(|n| format!("::notice::{n}\n")).collect();
        writer.append(0, 1, many.as_bytes(), 1).expect("written");
        writer.finish(2).expect("finished");
        let mut findings = Findings::default();
        add_lines(&mut findings, &logs.reader(&id).expect("a reader")).expect("looked through");
        assert_eq!(findings.counts.notes, MOST_LINES as u64);
        assert_eq!(findings.counts.troubles, ["log: only the first 2000 lines with annotations were taken"]);
    }

    proptest! {
        /// What is read of is what the search finds.
        #[test]
        fn what_is_read_is_what_is_looked_for(line in "[ \t]{0,2}::(error|Warning|notice|note)(x| |:)?(file=a)?::.{0,5}") {
            let pattern = Pattern::new(command::PATTERN).expect("a pattern");
            if command::read(line.as_bytes(), &Roots::default()).is_some() {
                prop_assert!(pattern.matches(line.as_bytes()), "{line}");
            }
        }
    }
}
