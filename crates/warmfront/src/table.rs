//! What commands print: columns for people, JSON for programs.

use serde_json::Value;

/// A value as a cell: texts without quotes, lists with commas, nothing as a dash.
pub fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    // What others have written must not steer the terminal.
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// JSON on lines.
pub fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Names and values, one pair a line.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let rows = pairs
        .iter()
        .map(|(name, value)| vec![(*name).to_owned(), value.clone()]);
    aligned(rows.collect())
}

/// A table with a head.
pub fn rows(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head = head.iter().map(|name| (*name).to_owned()).collect();
    aligned(std::iter::once(head).chain(rows).collect())
}

/// A table without a head.
pub fn plain(rows: Vec<Vec<String>>) -> String {
    aligned(rows)
}

fn aligned(rows: Vec<Vec<String>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_below_one_another() {
        let table = rows(&["A", "B"], vec![vec!["long".into(), "x".into()]]);
        assert_eq!(table, "A     B\nlong  x\n");
        assert_eq!(pairs(&[("name", "value".to_owned())]), "name  value\n");
    }

    #[test]
    fn a_cell_is_one_line_of_plain_text() {
        assert_eq!(text(&json!(["a", "b"])), "a,b");
        assert_eq!(text(&json!(null)), "-");
        assert_eq!(text(&json!([])), "-");
        assert_eq!(text(&json!("a\u{1b}[31m\n")), "a[31m");
    }
}
