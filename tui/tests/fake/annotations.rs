//! What the fake daemon knows of annotations. Must not know sockets.

use windlass_protocol::annotation::{AnnotationCounts, AnnotationView, AnnotationsPage, Level};

use super::world::World;

/// A warning of the job `test`.
pub(crate) fn warning(path: &str, line: u32, message: &str) -> AnnotationView {
    AnnotationView {
        job: "test".to_owned(),
        attempt: 1,
        level: Level::Warning,
        path: Some(path.to_owned()),
        line: Some(line),
        column: None,
        end_line: None,
        message: message.to_owned(),
        title: None,
        rule: None,
        tool: None,
        log_line: None,
        test: false,
    }
}

impl World {
    /// Tools say this of a build's job `test`, in the order in which it is to be shown; `more` warnings are not listed.
    pub(crate) fn annotated(&mut self, number: u64, annotations: Vec<AnnotationView>, more: u64, troubles: &[&str]) {
        let mut counts = AnnotationCounts { warnings: more, ..AnnotationCounts::default() };
        for annotation in &annotations {
            *counts.count(annotation.level) += 1;
        }
        counts.troubles = troubles.iter().map(|trouble| (*trouble).to_owned()).collect();
        if let Some(view) = self.builds.get_mut(&number) {
            let attempt = view.jobs.iter_mut().find(|job| job.name == "test").and_then(|job| job.attempts.last_mut());
            if let Some(attempt) = attempt {
                attempt.annotations = Some(counts.clone());
            }
            counts.troubles = troubles.iter().map(|trouble| format!("test: {trouble}")).collect();
            view.annotations = Some(counts.clone());
        }
        self.annotations.insert(number, (annotations, counts));
        self.touch(number);
    }

    pub(super) fn annotations_page(&self, number: u64, offset: u64, limit: u32) -> AnnotationsPage {
        let (all, counts) = self.annotations.get(&number).cloned().unwrap_or_default();
        let total = all.len() as u64;
        let window = all.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(limit as usize);
        AnnotationsPage { build: number, counts, total, offset, annotations: window.collect() }
    }
}
