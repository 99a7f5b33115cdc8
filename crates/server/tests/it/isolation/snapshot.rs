//! Files that say what is so, and are read by people.

use std::path::Path;

const WRITE: &str = "RETINUE_WRITE_SNAPSHOTS";

/// Fails the test if a file beside the tests says something else.
pub(crate) fn compare(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(file);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let missing = lines_without(&expected, found, "-");
    let new = lines_without(found, &expected, "+");
    assert!(
        expected == found,
        "{file} says something else. If all of this is meant, set {WRITE}=1 and run the test again:\n{missing}{new}"
    );
}

fn lines_without(text: &str, other: &str, mark: &str) -> String {
    let others: Vec<&str> = other.lines().collect();
    let only_here = text.lines().filter(|line| !others.contains(line));
    only_here.flat_map(|line| [mark, " ", line, "\n"]).collect()
}
