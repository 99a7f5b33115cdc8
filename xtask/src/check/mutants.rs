//! The lists of `cargo xtask mutants` are true of the sources.

use std::path::Path;

use anyhow::Result;

use super::Problem;
use crate::mutants;

pub(super) fn check(root: &Path) -> Result<Vec<Problem>> {
    let problem = |stale: mutants::Stale| Problem {
        place: stale.place.to_owned(),
        wrong: stale.wrong,
        mend: "Change the entry to what the sources say now; remove it if what it changed is gone.".to_owned(),
    };
    Ok(mutants::stale(root)?.into_iter().map(problem).collect())
}
