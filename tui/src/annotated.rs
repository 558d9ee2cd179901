//! What tools say about the source, in words. Must not know where they are shown.

use windlass_protocol::annotation::{AnnotationCounts, AnnotationView};

use crate::words::plural;

/// `3 errors, 12 warnings`; empty when there are none.
pub(crate) fn counts(counts: &AnnotationCounts) -> String {
    let all = [(counts.errors, "error"), (counts.warnings, "warning"), (counts.notes, "note")];
    let some = all.into_iter().filter(|(many, _)| *many > 0).map(|(many, what)| plural(many, what));
    some.collect::<Vec<_>>().join(", ")
}

/// The same of a whole build, with what could not be taken: `annotations: 3 errors, 12 warnings`.
pub(crate) fn in_a_line(of: &AnnotationCounts) -> String {
    let words = counts(of);
    format!("annotations: {}", if words.is_empty() { "none" } else { &words })
}

/// `src/main.rs:17:5`, as far as it is known, in the form that editors and terminals know.
pub(crate) fn place(annotation: &AnnotationView) -> Option<String> {
    let path = annotation.path.as_ref()?;
    Some(match (annotation.line, annotation.column) {
        (None, _) => path.clone(),
        (Some(line), None) => format!("{path}:{line}"),
        (Some(line), Some(column)) => format!("{path}:{line}:{column}"),
    })
}

/// What it says, in one line, with the rule that was broken.
pub(crate) fn message(annotation: &AnnotationView) -> String {
    let said = annotation.message.split_whitespace().collect::<Vec<_>>().join(" ");
    let title = annotation.title.as_deref().filter(|title| !said.starts_with(*title));
    let title = title.map(|title| format!("{title}: ")).unwrap_or_default();
    let rule = annotation.rule.as_ref().map(|rule| format!(" [{rule}]")).unwrap_or_default();
    format!("{title}{said}{rule}")
}

/// `src/main.rs:17:5: warning: unused variable [unused]`; of what is nowhere, the job that says it in the place's place.
pub(crate) fn in_full(build: u64, annotation: &AnnotationView) -> String {
    let place = place(annotation).unwrap_or_else(|| format!("{build}/{}", annotation.job));
    format!("{place}: {}: {}", annotation.level.word(), message(annotation))
}

/// What could not be taken of an attempt.
pub(crate) fn troubles(counts: &AnnotationCounts) -> impl Iterator<Item = String> + '_ {
    counts.troubles.iter().map(|trouble| format!("annotations: {trouble}"))
}

#[cfg(test)]
mod tests {
    use windlass_protocol::annotation::Level;

    use super::*;

    fn annotation() -> AnnotationView {
        AnnotationView {
            job: "lint".to_owned(),
            attempt: 1,
            level: Level::Warning,
            path: Some("src/main.rs".to_owned()),
            line: Some(17),
            column: Some(5),
            end_line: None,
            message: "unused variable:\n  `depth`".to_owned(),
            title: None,
            rule: Some("unused".to_owned()),
            tool: None,
            log_line: None,
            test: false,
        }
    }

    #[test]
    fn a_line_tells_what_matters_and_nothing_that_is_none() {
        let some = AnnotationCounts { errors: 1, notes: 1_200, ..AnnotationCounts::default() };
        assert_eq!(in_a_line(&some), "annotations: 1 error, 1,200 notes");
        assert_eq!(in_a_line(&AnnotationCounts::default()), "annotations: none");
    }

    #[test]
    fn one_is_one_line_in_the_form_that_editors_know() {
        let full = |annotation: AnnotationView| in_full(42, &annotation);
        assert_eq!(full(annotation()), "src/main.rs:17:5: warning: unused variable: `depth` [unused]");
        assert_eq!(
            full(AnnotationView { column: None, title: Some("Unused".to_owned()), rule: None, ..annotation() }),
            "src/main.rs:17: warning: Unused: unused variable: `depth`"
        );
        assert_eq!(
            full(AnnotationView { line: None, title: Some("unused".to_owned()), ..annotation() }),
            "src/main.rs: warning: unused variable: `depth` [unused]"
        );
        let nowhere = AnnotationView { path: None, level: Level::Error, ..annotation() };
        assert_eq!(full(nowhere), "42/lint: error: unused variable: `depth` [unused]");
    }
}
