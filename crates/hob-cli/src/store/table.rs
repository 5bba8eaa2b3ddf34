//! Tables for people.

use crate::out;

/// Rows in columns, the first row as headings; the columns in `right` are numbers.
pub fn text(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(c, cell)| {
                let gap = " ".repeat(widths[c] - cell.chars().count());
                let cell = out::harmless(cell);
                if right.contains(&c) { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
            })
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up() {
        let rows = [["name", "size"], ["é", "1"], ["long", "10"]].map(|r| r.map(str::to_owned).to_vec());
        assert_eq!(super::text(&rows, &[1]), "name  size\né        1\nlong    10\n");
    }
}
