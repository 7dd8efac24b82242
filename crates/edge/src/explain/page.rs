//! The layout of an explanation: sections of aligned rows, and warnings at the end.

use std::fmt::Write as _;

/// Where lines are wrapped.
const WIDTH: usize = 100;
/// Before a row.
const INDENT: usize = 2;
/// A row's label with the space behind it.
const LABEL: usize = 20;
/// Widest label that still has its value in the column of values.
const LABEL_MAX: usize = 40;
/// Widest value that still has its reason on the same line.
const VALUE_MAX: usize = 40;

/// A text that grows from top to bottom.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    warnings: Vec<String>,
}

impl Page {
    /// A line at the left edge.
    pub fn title(&mut self, title: &str) {
        self.text.push_str(title);
        self.text.push('\n');
    }

    /// A heading, and an empty line before it.
    pub fn section(&mut self, heading: &str) {
        let _ = writeln!(self.text, "\n{heading}");
    }

    /// A label and what there is to say, wrapped.
    pub fn row(&mut self, label: &str, words: impl AsRef<str>) {
        let label_width = LABEL - 1;
        let _ = write!(self.text, "{:INDENT$}{label:<label_width$} ", "");
        // A long label only pushes the first line to the right.
        let overhang = label.chars().count().saturating_sub(label_width);
        self.wrap(words.as_ref(), INDENT + LABEL + overhang, INDENT + LABEL);
    }

    /// A line as it is, however long.
    pub fn verbatim(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:INDENT$}{line}", "");
    }

    /// Rows of label, value and reason, each in a column of its own.
    pub fn table(&mut self, rows: &[[String; 3]]) {
        let widest = |column: usize, max: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.filter(|width| *width <= max).max().unwrap_or(0)
        };
        let label_width = widest(0, LABEL_MAX).max(LABEL - 1);
        let value_width = widest(1, VALUE_MAX);
        let reasons_at = INDENT + label_width + 1 + value_width + 2;
        for [label, value, reason] in rows {
            let _ = write!(self.text, "{:INDENT$}{label:<label_width$} {value}", "");
            let used = INDENT + label.chars().count().max(label_width) + 1 + value.chars().count();
            match used + 2 <= reasons_at {
                true => self.text.push_str(&" ".repeat(reasons_at - used)),
                false => {
                    let _ = write!(self.text, "\n{:reasons_at$}", "");
                }
            }
            self.wrap(reason, reasons_at, reasons_at);
        }
    }

    /// Something that is hardly meant; printed at the end.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        let warnings = std::mem::take(&mut self.warnings);
        if !warnings.is_empty() {
            self.section("Warnings");
        }
        for warning in warnings {
            self.text.push_str("  ! ");
            self.wrap(&warning, 4, 4);
        }
        self.text
    }

    /// Appends words to a line that has `at` columns already; further lines begin at `margin`.
    fn wrap(&mut self, words: &str, mut at: usize, margin: usize) {
        for (index, word) in words.split(' ').enumerate() {
            let width = word.chars().count();
            if index > 0 && at + 1 + width > WIDTH {
                let _ = write!(self.text, "\n{:margin$}", "");
                at = margin;
            } else if index > 0 {
                self.text.push(' ');
                at += 1;
            }
            self.text.push_str(word);
            at += width;
        }
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        self.text.push('\n');
    }
}

/// `1 attempt`, `2 attempts`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Bytes as text; what is not UTF-8 is replaced, control characters are escaped.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        match character.is_control() {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
    }
    out
}

/// `1 s`, `90 s (1 min 30 s)`, `86400 s (1 d)`: the number that is configured, and what it means.
pub(super) fn duration(secs: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    if secs <= 60 {
        return format!("{secs} s");
    }
    let mut left_secs = secs;
    let mut parts = Vec::new();
    for (unit_secs, name) in UNITS {
        if left_secs >= unit_secs && parts.len() < 2 {
            parts.push(format!("{} {name}", left_secs / unit_secs));
            left_secs %= unit_secs;
        }
    }
    format!("{secs} s ({})", parts.join(" "))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_are_wrapped_below_their_beginning() {
        let mut page = Page::default();
        page.row("label", "word ".repeat(30));
        let text = page.finish();
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(
            text.lines()
                .nth(1)
                .unwrap()
                .starts_with(&" ".repeat(INDENT + LABEL))
        );
    }

    #[test]
    fn reasons_stand_one_below_the_other() {
        let row = |a: &str, b: &str, c: &str| [a.to_owned(), b.to_owned(), c.to_owned()];
        let mut page = Page::default();
        page.table(&[
            row("path", "/a", "first"),
            row("query", "a=1&b=2", "second"),
        ]);
        let text = page.finish();
        let columns: Vec<usize> = text
            .lines()
            .map(|l| l.find("first").or(l.find("second")).unwrap())
            .collect();
        assert_eq!(columns[0], columns[1]);
    }

    #[test]
    fn durations_say_the_two_largest_units() {
        assert_eq!(duration(60), "60 s");
        assert_eq!(duration(86_400), "86400 s (1 d)");
        assert_eq!(duration(31_536_000), "31536000 s (365 d)");
        assert_eq!(duration(90_061), "90061 s (1 d 1 h)");
    }

    #[test]
    fn control_characters_cannot_forge_lines() {
        assert_eq!(text(b"a\nb\x1b[0m"), "a\\nb\\u{1b}[0m");
    }
}
