//! A table of messages by sort keys: RFC 5256 §3, SORT.
//!
//! Knows columns of numbers and of text, nothing of messages. Who fills it gives each row's values in the order of the
//! columns.

use std::cmp::Ordering;

/// Octets of a text that count: a stranger's subject may have a million, and a mailbox many such.
const MOST: usize = 1000;

/// A row's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Number(i64),
    /// Folded already: octets are compared.
    Text(&'a [u8]),
}

/// The values of one key for all rows.
#[derive(Debug, Default)]
struct Column {
    reverse: bool,
    /// In the order of the values as far as they go: a number, or the first octets of a text.
    heads: Vec<u64>,
    /// All texts one after the other, and where each ends; empty for a column of numbers.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Column {
    fn push(&mut self, value: Value<'_>) {
        match value {
            Value::Number(number) => self.heads.push((number as u64) ^ (1 << 63)),
            Value::Text(text) => {
                let text = &text[..text.len().min(MOST)];
                let mut head = [0; 8];
                let length = text.len().min(8);
                head[..length].copy_from_slice(&text[..length]);
                self.heads.push(u64::from_be_bytes(head));
                self.text.extend_from_slice(text);
                self.ends.push(self.text.len());
            }
        }
    }

    fn text(&self, row: usize) -> &[u8] {
        let from = if row == 0 { 0 } else { self.ends.get(row - 1).copied().unwrap_or(0) };
        let to = self.ends.get(row).copied().unwrap_or(from);
        self.text.get(from..to).unwrap_or_default()
    }

    fn compare(&self, one: usize, other: usize) -> Ordering {
        let order = self.heads.get(one).cmp(&self.heads.get(other));
        let order = order.then_with(|| self.compare_texts(one, other));
        if self.reverse { order.reverse() } else { order }
    }

    fn compare_texts(&self, one: usize, other: usize) -> Ordering {
        if self.ends.is_empty() { Ordering::Equal } else { self.text(one).cmp(self.text(other)) }
    }
}

/// Rows that are to be put in order.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A table with a column for each key: is it to be in reverse?
    pub(crate) fn new(reverse: impl Iterator<Item = bool>) -> Table {
        let columns = reverse.map(|reverse| Column { reverse, ..Column::default() }).collect();
        Table { columns, rows: 0 }
    }

    /// Adds a value to the row that is being filled.
    pub(crate) fn put(&mut self, column: usize, value: Value<'_>) {
        if let Some(column) = self.columns.get_mut(column) {
            column.push(value);
        }
    }

    /// The row has all its values.
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// The rows in order; those that are equal as they came.
    pub(crate) fn order(&self) -> Vec<usize> {
        let Some((first, rest)) = self.columns.split_first() else { return (0..self.rows).collect() };
        let turn = |head: u64| if first.reverse { !head } else { head };
        // The head stands beside the row's number, so that most comparisons go to no other memory.
        let mut rows: Vec<(u64, usize)> =
            first.heads.iter().map(|head| turn(*head)).zip(0..self.rows).collect();
        rows.sort_unstable_by(|one, other| {
            let (a, b) = (one.1, other.1);
            let later = || rest.iter().map(|column| column.compare(a, b)).find(|order| order.is_ne());
            let order = one.0.cmp(&other.0).then_with(|| first.compare(a, b));
            order.then_with(|| later().unwrap_or(Ordering::Equal)).then_with(|| a.cmp(&b))
        });
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Value::{Number, Text};

    fn order(reverse: &[bool], rows: &[&[Value<'_>]]) -> Vec<usize> {
        let mut table = Table::new(reverse.iter().copied());
        for row in rows {
            for (column, value) in row.iter().enumerate() {
                table.put(column, *value);
            }
            table.end_row();
        }
        table.order()
    }

    #[test]
    fn numbers_are_sorted_as_numbers_negative_ones_too() {
        let rows: [&[Value<'_>]; 4] = [&[Number(5)], &[Number(-3)], &[Number(i64::MAX)], &[Number(0)]];
        assert_eq!(order(&[false], &rows), [1, 3, 0, 2]);
        assert_eq!(order(&[true], &rows), [2, 0, 3, 1]);
    }

    #[test]
    fn texts_are_sorted_beyond_their_first_octets() {
        let rows: [&[Value<'_>]; 5] = [
            &[Text(b"conference b")],
            &[Text(b"conference a")],
            &[Text(b"")],
            &[Text(b"conf")],
            &[Text(b"conf\0")],
        ];
        assert_eq!(order(&[false], &rows), [2, 3, 4, 1, 0]);
        assert_eq!(order(&[true], &rows), [0, 1, 4, 3, 2]);
    }

    #[test]
    fn equal_rows_stay_as_they_came_whichever_way_the_key_goes() {
        let rows: [&[Value<'_>]; 4] = [
            &[Text(b"x"), Number(2)],
            &[Text(b"x"), Number(1)],
            &[Text(b"a"), Number(9)],
            &[Text(b"x"), Number(2)],
        ];
        assert_eq!(order(&[false, false], &rows), [2, 1, 0, 3]);
        assert_eq!(order(&[true, true], &rows), [0, 3, 1, 2]);
        assert_eq!(order(&[], &rows[..0]), []);
    }

    #[test]
    fn of_a_long_text_the_beginning_counts() {
        let long = |last: &str| ("x".repeat(MOST) + last).into_bytes();
        let (one, other) = (long("b"), long("a"));
        assert_eq!(order(&[false], &[&[Text(&one)], &[Text(&other)], &[Text(b"w")]]), [2, 0, 1]);
        let mut table = Table::new([false].into_iter());
        table.put(0, Text(&"x".repeat(1_000_000).into_bytes()));
        assert_eq!(table.columns[0].text.len(), MOST);
    }
}
