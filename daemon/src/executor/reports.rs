//! The results of an attempt's tests: files are put together and read, one at a time. They come from a stranger: what is too
//! much is let go. Must not know where results are kept.

use super::whole::{Came, WholeFiles};
use crate::event::clean;
use crate::frame::file::FilePart;
use crate::plan::JobPlan;
use crate::results::Results;

/// `None` inside: the job has no reports, so whatever comes is nobody's.
#[derive(Debug)]
pub(super) struct Reports(Option<Taken>);

#[derive(Debug, Default)]
struct Taken {
    results: Results,
    files: WholeFiles,
}

impl Reports {
    pub(super) fn of(job: &JobPlan) -> Self {
        Self((!job.reports.junit.is_empty()).then(Taken::default))
    }

    pub(super) async fn take(&mut self, part: FilePart) {
        let Some(taken) = &mut self.0 else { return };
        match taken.files.take(part) {
            Some(Came::File { path, bytes }) => {
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
            Some(Came::Trouble { path, why }) => taken.results.trouble(&path, &why),
            None => {}
        }
    }

    /// All that came. `None`: the job has no reports.
    pub(super) fn finish(self) -> Option<Results> {
        let Taken { mut results, files } = self.0?;
        if let Some(Came::Trouble { path, why }) = files.finish() {
            results.trouble(&path, &why);
        }
        results.close();
        Some(results)
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
    use crate::plan::MOST_FILES;

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
