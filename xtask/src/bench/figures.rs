//! Many measurements as few figures, and figures as rows of Markdown.

use super::facts::Facts;

/// The middle one; the mean of the two in the middle where there is none. `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length.is_multiple_of(2) => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        _ => Some(sorted[middle]),
    }
}

/// The least value that so many percent of all do not exceed. `None` of nothing.
pub(super) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let sorted = sorted(values);
    let at = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(at - 1).copied()
}

/// `12.3 (12.0–14.1)`, the median and where it lies; a dash of nothing.
pub(super) fn spread(values: &[f64], digits: usize) -> String {
    let sorted = sorted(values);
    match (median(values), sorted.first(), sorted.last()) {
        (Some(median), Some(_), Some(_)) if sorted.len() == 1 => format!("{median:.digits$}"),
        (Some(median), Some(least), Some(most)) => format!("{median:.digits$} ({least:.digits$}–{most:.digits$})"),
        _ => dash(),
    }
}

pub(super) fn or_dash(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.digits$}"))
}

pub(super) fn dash() -> String {
    "–".to_owned()
}

/// A table's first two lines.
pub(super) fn table_head(columns: &[&str]) -> String {
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

pub(super) fn table_row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// A line that says where figures come from.
pub(super) fn measured_on(facts: &Facts) -> String {
    let Facts { cpu, cores, memory_mib, kernel, rustc, commit, date, .. } = facts;
    let day = day(date);
    format!("{cores} cores of {cpu}, {memory_mib:.0} MiB, {kernel}, {rustc}, commit {commit}, {day}.\n\n")
}

/// `20261123-001122` as a date.
fn day(timestamp: &str) -> String {
    match (timestamp.get(..4), timestamp.get(4..6), timestamp.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => timestamp.to_owned(),
    }
}

/// With so many digits behind the point, as JSON should have it.
pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let parts = 10_f64.powi(digits);
    (value * parts).round() / parts
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(spread(&[2.0, 1.0, 4.0], 1), "2.0 (1.0–4.0)");
        assert_eq!((spread(&[2.0], 0), spread(&[], 0)), ("2".to_owned(), "–".to_owned()));
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 5), Some(5.0));
        assert_eq!(percentile(&hundred, 50), Some(50.0));
        assert_eq!(percentile(&hundred, 95), Some(95.0));
        assert_eq!((percentile(&[7.0], 5), percentile(&[7.0], 95), percentile(&[], 50)), (Some(7.0), Some(7.0), None));
    }

    #[test]
    fn a_table_has_as_many_rules_as_columns() {
        let head = table_head(&["a", "b"]);
        assert_eq!(head, "| a | b |\n|---|---|\n");
        assert_eq!(table_row(&["1".to_owned(), dash()]), "| 1 | – |\n");
    }
}
