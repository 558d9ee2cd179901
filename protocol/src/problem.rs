//! What is wrong with a file a person wrote: where, which words, and a way out. Must not know which file format.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing wrong with a file. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// What is wrong, as a fragment: lower case, no final period.
    pub message: String,
    /// The line's own text, cut to 200 characters.
    pub text: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    /// As compilers do: place and message, the line, a caret below the column, the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        let number = self.line.to_string();
        writeln!(f, "  {number} | {}", self.text)?;
        let before = usize::try_from(self.column.saturating_sub(1)).unwrap_or(0);
        let pad: String = self.text.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "  {:width$} | {pad}^", "", width = number.len())?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;

    #[test]
    fn points_at_the_column() {
        let problem = Problem {
            file: ".windlass.yml".into(),
            line: 12,
            column: 3,
            message: "unknown key `imge`".into(),
            text: "  imge: x".into(),
            hint: Some("did you mean `image`?".into()),
        };
        assert_eq!(
            problem.to_string(),
            ".windlass.yml:12:3: unknown key `imge`\n  12 |   imge: x\n     |   ^\n  hint: did you mean `image`?"
        );
    }
}
