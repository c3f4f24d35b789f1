//! Lists of objects as a table, as ids, as JSON lines, or by a template.

use serde_json::{Map, Value};

use super::template::Format;
use crate::failure::Failure;

/// Narrowest column and space after each cell, as docker's tab writer is set up.
const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// One object of a list.
pub struct Row {
    /// What the table shows, a cell for each header.
    pub cells: Vec<String>,
    /// What JSON and templates see, by docker's names of these fields.
    pub fields: Vec<(&'static str, Value)>,
}

/// A list of objects.
pub struct Listing {
    /// Column headers.
    pub headers: &'static [&'static str],
    /// In the order of printing.
    pub rows: Vec<Row>,
}

impl Listing {
    /// The whole text with its last line end; empty if there is nothing to print.
    pub fn render(&self, format: Option<&str>, quiet: bool) -> Result<String, Failure> {
        if quiet {
            let id = |row: &Row| line(row.field("ID").as_str().unwrap_or_default());
            return Ok(self.rows.iter().map(id).collect());
        }
        match Format::parse(format.unwrap_or("table"))? {
            Format::Table => Ok(self.table()),
            Format::Json | Format::JsonEach => Ok(self.rows.iter().map(|row| line(&row.json().to_string())).collect()),
            Format::Template(template) => {
                let rows = self.rows.iter().map(|row| template.fill(&row.json()));
                let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
                Ok(rows.iter().map(|text| line(text)).collect())
            }
            Format::TableOf(template) => {
                let cells = |text: String| text.split('\t').map(str::to_owned).collect::<Vec<_>>();
                let mut lines = vec![cells(template.header(|field| self.name(field))?)];
                for row in &self.rows {
                    lines.push(cells(template.fill(&row.json())?));
                }
                Ok(align(&lines))
            }
        }
    }

    /// What stands above the column of a field: its name in words, but an id is called as in the table.
    fn name(&self, field: &str) -> String {
        match (field, self.headers.first()) {
            ("ID", Some(first)) => (*first).to_owned(),
            _ => header(field),
        }
    }

    fn table(&self) -> String {
        let headers = self.headers.iter().map(|header| (*header).to_owned()).collect();
        let rows = self.rows.iter().map(|row| row.cells.clone());
        align(&std::iter::once(headers).chain(rows).collect::<Vec<_>>())
    }
}

impl Row {
    fn field(&self, name: &str) -> &Value {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        found.map_or(&Value::Null, |(_, value)| value)
    }

    /// Fields in alphabetical order, as docker prints them.
    fn json(&self) -> Value {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by_key(|(name, _)| *name);
        let pairs = fields
            .into_iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Object(pairs.collect::<Map<_, _>>())
    }
}

/// "DESIRED STATE" of `DesiredState`.
fn header(field: &str) -> String {
    let mut words = String::new();
    let mut before = None;
    for c in field.chars() {
        if before.is_some_and(char::is_lowercase) && c.is_uppercase() {
            words.push(' ');
        }
        words.extend(c.to_uppercase());
        before = Some(c);
    }
    words.replace("TLSSTATUS", "TLS STATUS")
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

/// Pads every cell but the last of a line to the width of its column.
fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|cells| cells.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        (longest + PADDING).max(MIN_WIDTH)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for cells in lines {
        for (i, cell) in cells.iter().enumerate() {
            text.push_str(cell);
            if i + 1 < cells.len() {
                let fill = widths[i].saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', fill));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listing() -> Listing {
        let row = |id: &str, name: &str| Row {
            cells: vec![id.into(), name.into()],
            fields: vec![("Name", json!(name)), ("ID", json!(id)), ("Self", json!(true))],
        };
        Listing {
            headers: &["ID", "NAME"],
            rows: vec![row("abcdefghijkl", "web"), row("b", "a-longer-name")],
        }
    }

    #[test]
    fn columns_have_three_blanks_and_ten_characters_at_least() {
        let text = listing().render(None, false).unwrap();
        assert_eq!(
            text,
            "ID             NAME\nabcdefghijkl   web\nb              a-longer-name\n"
        );
        let narrow = align(&[vec!["A".into(), "B".into()]]);
        assert_eq!(narrow, "A         B\n");
    }

    #[test]
    fn json_is_one_sorted_object_a_line() {
        let text = listing().render(Some("json"), false).unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(first, r#"{"ID":"abcdefghijkl","Name":"web","Self":true}"#);
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn quiet_gives_ids_and_templates_give_fields() {
        assert_eq!(listing().render(None, true).unwrap(), "abcdefghijkl\nb\n");
        let text = listing().render(Some("{{.Name}}/{{.ID}}"), false).unwrap();
        assert_eq!(text, "web/abcdefghijkl\na-longer-name/b\n");
        let text = listing().render(Some("table {{.Name}}\\t{{.ID}}"), false).unwrap();
        assert_eq!(
            text,
            "NAME            ID\nweb             abcdefghijkl\na-longer-name   b\n"
        );
    }
}
