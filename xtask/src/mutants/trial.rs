//! Mutant after mutant: is there a test that kills it?

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    Mutant, equivalent,
    suite::{Ending, Suite},
    tree,
};

/// The tests through the doors that say nothing of mutants: those which start the program as a process of its own, with an
/// environment of its own, would never meet one, and those which measure time fail on a busy machine without one.
const APART: [&str; 11] = [
    "browser",
    "connection",
    "disk_full",
    "doctor",
    "ends",
    "kill",
    "program",
    "refused",
    "running",
    "upgrade",
    "user",
];

/// The crates with tests of their own.
const CRATES: [&str; 5] = ["store", "app", "web", "model", "oidc"];

/// What becomes of a mutant.
enum Verdict {
    /// By this test of this binary.
    Killed(String, String),
    /// Nothing ended any more, which may have another cause than the mutant.
    Hung,
    Survived,
}

/// Builds all mutants, and tries the chosen ones.
pub(super) fn run(root: &Path, all: &[Mutant], chosen: &[&Mutant]) -> Result<ExitCode> {
    let began = Instant::now();
    let place = super::place(root);
    tree::write(root, &place.join("tree"), all)?;
    println!("mutants: building the tests with {} mutants in them", all.len());
    let suite = Suite::build(&place.join("tree"), &place.join("build"))?;
    let mut memory = Memory::read(place.join("memory.json"));
    if suite.is_new {
        memory.is_sound = false;
        memory.write()?;
    }
    let doors = suite.binary("it")?.modules()?.into_iter().filter(|module| !APART.contains(&module.as_str()));
    let doors: Vec<String> = doors.map(|module| format!("{module}::")).collect();
    if !memory.is_sound {
        sound(&suite, &doors)?;
        memory.is_sound = true;
        memory.write()?;
    }
    let mut tally = Tally::default();
    for mutant in chosen {
        let start = Instant::now();
        let verdict = attempt((&suite, &doors), mutant, memory.killer(mutant))?;
        memory.learn(mutant, &verdict)?;
        tally.count(mutant, &verdict, start.elapsed().as_secs_f32())?;
    }
    tally.print(began.elapsed().as_secs());
    Ok(if tally.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// With all mutants asleep every test must pass, or nothing is proved.
fn sound(suite: &Suite, doors: &[String]) -> Result<()> {
    println!("mutants: running the tests while all of them sleep");
    for (binary, arguments) in CRATES
        .iter()
        .map(|name| (unit(name), Vec::new()))
        .chain([("it".to_owned(), doors.iter().map(String::as_str).collect())])
    {
        match suite.binary(&binary)?.run(&arguments, None)? {
            Ending::Passed => {}
            other => bail!("the tests `{binary}` do not pass without a mutant: {other:?}"),
        }
    }
    Ok(())
}

/// Runs what is likely to kill a mutant first, and at last everything.
fn attempt((suite, doors): (&Suite, &[String]), mutant: &Mutant, killer: Option<(&str, &str)>) -> Result<Verdict> {
    let own = mutant.file.split('/').nth(1).unwrap_or_default();
    let noun = format!("{}::", mutant.noun());
    let (near, far): (Vec<&str>, Vec<&str>) =
        doors.iter().map(String::as_str).partition(|door| door.starts_with(&noun));
    let mut steps: Vec<(String, Vec<&str>)> = Vec::new();
    if let Some((binary, test)) = killer {
        steps.push((binary.to_owned(), vec!["--exact", test]));
    }
    steps.push((unit(own), Vec::new()));
    if own == "oidc" {
        steps.push(("oidc_it".to_owned(), Vec::new()));
    }
    if !near.is_empty() {
        steps.push(("it".to_owned(), near));
    }
    steps.extend(far.chunks(2).map(|doors| ("it".to_owned(), doors.to_vec())));
    steps.extend(CRATES.iter().filter(|name| **name != own).map(|name| (unit(name), Vec::new())));
    for (binary, arguments) in steps {
        match suite.binary(&binary)?.run(&arguments, Some(mutant.name.as_str()))? {
            Ending::Passed => {}
            Ending::Failed(test) => return Ok(Verdict::Killed(binary, test)),
            Ending::Hung => return Ok(Verdict::Hung),
        }
    }
    Ok(Verdict::Survived)
}

fn unit(name: &str) -> String {
    format!("retinue_{name}")
}

/// What came of all of them.
#[derive(Default)]
struct Tally {
    killed: usize,
    equivalent: usize,
    /// What must be mended.
    wrong: Vec<String>,
}

impl Tally {
    fn count(&mut self, mutant: &Mutant, verdict: &Verdict, seconds: f32) -> Result<()> {
        let is_equivalent = equivalent::names()?.contains(&mutant.name.as_str());
        let (number, name) = (mutant.number, &mutant.name);
        let told = match (verdict, is_equivalent) {
            (Verdict::Killed(binary, test), false) => format!("killed by {binary} {test}"),
            (Verdict::Hung, _) => "HUNG: no test failed, but one did not end".to_owned(),
            (Verdict::Survived, true) => "equivalent".to_owned(),
            (Verdict::Survived, false) => "SURVIVED".to_owned(),
            (Verdict::Killed(..), true) => format!("KILLED, and yet it is in {}", equivalent::FILE),
        };
        println!("{number:4}  {name}\n      {told} ({seconds:.1} s)");
        match (verdict, is_equivalent) {
            (Verdict::Survived, true) => self.equivalent += 1,
            (Verdict::Killed(..), false) => self.killed += 1,
            _ => self.wrong.push(format!("{number:4}  {name}: {told}")),
        }
        Ok(())
    }

    fn print(&self, seconds: u64) {
        let (killed, equivalent, wrong) = (self.killed, self.equivalent, self.wrong.len());
        println!(
            "\nmutants: {killed} killed, {equivalent} equivalent, {wrong} to be looked at, in {} min {} s",
            seconds / 60,
            seconds % 60
        );
        self.wrong.iter().for_each(|wrong| println!("{wrong}"));
    }
}

/// What earlier runs found out: it makes later ones fast, and is believed in nothing else.
#[derive(Default)]
struct Memory {
    path: PathBuf,
    /// Whether the tests that are built pass while the mutants sleep.
    is_sound: bool,
    /// Mutants, by name, with the binary and the test that killed each.
    killers: BTreeMap<String, (String, String)>,
}

impl Memory {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let kept: Value = serde_json::from_str(&text).unwrap_or_default();
        let killer = |(name, killer): (&String, &Value)| {
            Some((name.clone(), (killer[0].as_str()?.to_owned(), killer[1].as_str()?.to_owned())))
        };
        let killers = kept["killers"].as_object().into_iter().flatten().filter_map(killer).collect();
        Self { path, is_sound: kept["is_sound"] == Value::Bool(true), killers }
    }

    fn killer(&self, mutant: &Mutant) -> Option<(&str, &str)> {
        self.killers.get(&mutant.name).map(|(binary, test)| (binary.as_str(), test.as_str()))
    }

    fn learn(&mut self, mutant: &Mutant, verdict: &Verdict) -> Result<()> {
        if let Verdict::Killed(binary, test) = verdict {
            self.killers.insert(mutant.name.clone(), (binary.clone(), test.clone()));
        }
        self.write()
    }

    fn write(&self) -> Result<()> {
        let text = json!({"is_sound": self.is_sound, "killers": self.killers}).to_string();
        fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_that_fails_kills() {
        let (name, file) = ("session: a mutant".to_owned(), "crates/app/src/session.rs".to_owned());
        let mutant = Mutant { number: 1, name, file, at: 0..1, change: super::super::Change::Everything };
        let mut tally = Tally::default();
        for verdict in [Verdict::Hung, Verdict::Survived, Verdict::Killed("it".to_owned(), "x".to_owned())] {
            tally.count(&mutant, &verdict, 0.0).expect("the list can be read");
        }
        assert_eq!((tally.killed, tally.equivalent, tally.wrong.len()), (1, 0, 2), "{:?}", tally.wrong);
    }

    #[test]
    fn what_is_remembered_is_read_again() {
        let scratch = crate::scratch::Scratch::new().expect("there is room");
        let path = scratch.path().join("memory.json");
        assert!(!Memory::read(path.clone()).is_sound);
        let mut memory = Memory { path: path.clone(), is_sound: true, ..Memory::default() };
        memory.killers.insert("a mutant".to_owned(), ("it".to_owned(), "isolation::sqlite::x".to_owned()));
        memory.write().expect("it can be written");
        let read = Memory::read(path);
        assert_eq!((read.is_sound, read.killers), (true, memory.killers));
    }
}
