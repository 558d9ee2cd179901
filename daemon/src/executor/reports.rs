//! The results of an attempt's tests: files are put together and read, one at a time. They come from a stranger: what is too
//! much is let go. Must not know where results are kept.

use crate::event::clean;
use crate::frame::file::FilePart;
use crate::plan::{JobPlan, MOST_FILES, MOST_REPORT, MOST_REPORT_BYTES};
use crate::results::Results;

/// `None` inside: the job has no reports, so whatever comes is nobody's.
#[derive(Debug)]
pub(super) struct Reports(Option<Taken>);

#[derive(Debug, Default)]
struct Taken {
    results: Results,
    /// The one that is coming.
    file: Option<File>,
    bytes: u64,
    files: usize,
    /// Something came: the runner got as far as its reports.
    came: bool,
}

#[derive(Debug)]
struct File {
    path: String,
    bytes: Vec<u8>,
}

impl Reports {
    pub(super) fn of(job: &JobPlan) -> Self {
        Self((!job.reports.junit.is_empty()).then(Taken::default))
    }

    pub(super) async fn take(&mut self, part: FilePart) {
        let Some(taken) = &mut self.0 else { return };
        taken.came = true;
        match part {
            FilePart::Begins { path, .. } => {
                taken.cut();
                taken.files += 1;
                if taken.files <= MOST_FILES {
                    taken.file = Some(File { path, bytes: Vec::new() });
                }
            }
            FilePart::Bytes(bytes) => taken.grow(&bytes),
            FilePart::Ends => {
                let Some(File { path, bytes }) = taken.file.take() else { return };
                let mut results = std::mem::take(&mut taken.results);
                let read = tokio::task::spawn_blocking(move || {
                    results.add_junit(&path, &bytes);
                    results
                });
                match read.await {
                    Ok(results) => taken.results = results,
                    Err(error) => {
                        tracing::error!(%error, "reading a report ended early");
                        taken.results.trouble("a report", "could not be read for a fault of the daemon's");
                    }
                }
            }
            FilePart::Refused { path, why, .. } => {
                taken.file = None;
                taken.results.trouble(&path, &why);
            }
        }
    }

    /// All that came. `None`: the job has no reports.
    pub(super) fn finish(self) -> Option<Results> {
        let mut taken = self.0?;
        taken.cut();
        if !taken.came {
            taken.results.trouble("reports", "none came: the job ended before they could be read");
        }
        taken.results.close();
        Some(taken.results)
    }
}

impl Taken {
    fn grow(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        self.bytes += bytes.len() as u64;
        if (file.bytes.len() + bytes.len()) as u64 > MOST_REPORT || self.bytes > MOST_REPORT_BYTES {
            let path = std::mem::take(&mut file.path);
            self.file = None;
            self.results.trouble(&path, "larger than a report may be");
            return;
        }
        file.bytes.extend_from_slice(bytes);
    }

    /// A file that did not end, and never will.
    fn cut(&mut self) {
        if let Some(file) = self.file.take() {
            self.results.trouble(&file.path, "did not arrive whole");
        }
    }
}

/// What the log says of them: only what could not be taken, so that otherwise it is what the steps wrote and nothing else.
pub(super) fn words(results: &Results) -> Vec<String> {
    results.counts.troubles.iter().map(|trouble| format!("[windlass] report {}", clean(trouble, 500))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::file::Purpose;

    fn asked() -> Reports {
        Reports(Some(Taken::default()))
    }

    fn begins(path: &str) -> FilePart {
        FilePart::Begins { of: Purpose::Junit, path: path.to_owned() }
    }

    fn bytes(text: &str) -> FilePart {
        FilePart::Bytes(text.as_bytes().to_vec())
    }

    async fn all(parts: Vec<FilePart>) -> Results {
        let mut reports = asked();
        for part in parts {
            reports.take(part).await;
        }
        reports.finish().expect("asked for")
    }

    const ONE: &str = "<testsuite name='s'><testcase name='a'/></testsuite>";

    #[tokio::test]
    async fn pieces_become_files_and_files_results() {
        let (first, rest) = ONE.split_at(20);
        let results = all(vec![
            begins("a.xml"),
            bytes(first),
            bytes(rest),
            FilePart::Ends,
            begins("broken.xml"),
            bytes("<testsuite>"),
            FilePart::Ends,
            FilePart::Refused {
                of: Purpose::Junit,
                path: "x/*.xml".to_owned(),
                why: "no such file was written".to_owned(),
            },
            begins("cut.xml"),
            bytes(ONE),
        ])
        .await;
        assert_eq!(results.cases.len(), 1);
        assert_eq!(
            words(&results),
            [
                "[windlass] report broken.xml: left out: it ends in the middle (line 1)",
                "[windlass] report x/*.xml: no such file was written",
                "[windlass] report cut.xml: did not arrive whole",
            ]
        );
    }

    #[tokio::test]
    async fn forged_frames_cost_nothing_and_count_for_nothing() {
        let mut nobody = Reports(None);
        for part in [begins("a.xml"), bytes(ONE), FilePart::Ends] {
            nobody.take(part).await;
        }
        assert!(nobody.finish().is_none());

        let mut reports = asked();
        for part in [FilePart::Ends, bytes(ONE), FilePart::Ends, begins("large.xml")] {
            reports.take(part).await;
        }
        for _ in 0..20 {
            reports.take(FilePart::Bytes(vec![b'<'; 1 << 20])).await;
        }
        reports.take(FilePart::Ends).await;
        for n in 0..MOST_FILES {
            for part in [begins(&n.to_string()), bytes(ONE), FilePart::Ends] {
                reports.take(part).await;
            }
        }
        let results = reports.finish().expect("asked for");
        assert_eq!(results.counts.troubles, ["large.xml: larger than a report may be"]);
        assert_eq!(results.counts.passed, MOST_FILES as u64 - 1, "no more files than a runner sends");

        let results = all(Vec::new()).await;
        assert_eq!(results.counts.troubles, ["reports: none came: the job ended before they could be read"]);
    }
}
