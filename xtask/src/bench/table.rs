//! The table that is printed at the end.

/// What a figure is held against.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Only to be known.
    None,
}

struct Row {
    metric: String,
    target: String,
    measured: String,
    verdict: &'static str,
}

/// The rows so far.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds a figure; `unit` stands behind it and its target.
    pub(crate) fn add(&mut self, metric: &str, target: Target, figure: f64, unit: &str) {
        let (word, meets) = match target {
            Target::AtMost(limit) => (format!("≤ {}", shown(limit, unit)), figure <= limit),
            Target::AtLeast(limit) => (format!("≥ {}", shown(limit, unit)), figure >= limit),
            Target::None => (String::new(), true),
        };
        let verdict = match (target, meets) {
            (Target::None, _) => "",
            (_, true) => "met",
            (_, false) => "SHORT",
        };
        self.push(metric, word, shown(figure, unit), verdict);
    }

    /// Adds a row for what could not be measured.
    pub(crate) fn unmeasured(&mut self, metric: &str, why: &str) {
        self.push(metric, String::new(), format!("not measured: {why}"), "");
    }

    fn push(&mut self, metric: &str, target: String, measured: String, verdict: &'static str) {
        println!("  {metric}: {measured} {verdict}");
        self.0.push(Row { metric: metric.to_owned(), target, measured, verdict });
    }

    /// Prints it as Markdown, ready for docs/performance.md.
    pub(crate) fn print(&self) {
        println!("\n| metric | target | measured | verdict |\n|---|---|---|---|");
        for row in &self.0 {
            println!("| {} | {} | {} | {} |", row.metric, row.target, row.measured, row.verdict);
        }
        println!();
    }
}

fn shown(figure: f64, unit: &str) -> String {
    let number = match figure.abs() {
        small if small < 10.0 => format!("{figure:.2}"),
        middle if middle < 1_000.0 => format!("{figure:.1}"),
        _ => thousands(&format!("{figure:.0}")),
    };
    format!("{number} {unit}").trim_end().to_owned()
}

/// `1234567` as `1,234,567`.
fn thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The one in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(shown(0.346, ""), "0.35");
        assert_eq!(shown(1_234_567.4, "events/s"), "1,234,567 events/s");
        assert_eq!(shown(43.21, "KiB"), "43.2 KiB");
    }

    #[test]
    fn a_verdict_follows_its_target() {
        let mut table = Table::default();
        table.add("a", Target::AtMost(3.0), 3.5, "ms");
        table.add("b", Target::AtLeast(0.35), 0.35, "");
        let verdicts: Vec<_> = table.0.iter().map(|row| row.verdict).collect();
        assert_eq!(verdicts, ["SHORT", "met"]);
    }
}
