//! The project's own commands: `cargo xtask help` lists them.
//!
//! What lives here runs, checks and measures the other crates from outside; nothing of the product does.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks by printing")]

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

mod bench;
mod check;
mod chromium;
mod ci;
mod deny;
mod install;
mod mutants;
mod npm;
mod parts;
mod postgres;
mod pypi;
mod scratch;
mod shell;
mod test;
mod workspace;

const HELP: &str = "\
Usage: cargo xtask <command>

  test [FILTER…]      get what the tests need, start a throw-away PostgreSQL, run every test
       --no-install   install nothing: what is missing is left out and named at the end
       Anything else goes to the test runner (cargo-nextest where it is installed, else cargo test).
  check [--write]     the static rules: layers, lints, file sizes, paths and codes in the docs, generated files;
                      --write rewrites the generated files
  deny                licences, banned crates, duplicates and sources of the dependency tree (deny.toml)
  deny advisories     known vulnerabilities; needs a network, so it is not a part of `ci`
  bench [PART…]       measure a release build: requests, streams, standing, appender; all without a name
       --build        compiling too, which takes minutes
  mutants [NAME…]     whether a test fails for each condition on who may do what when it is gone; takes minutes.
                      A name is a number or a piece of a name
       --list         only name them
  ci                  fmt, clippy, deny, check and test, up to the first that fails
  help                this text

docs/testing.md tells what `test` installs, and why; docs/performance.md how `bench` measures.
";

fn main() -> Result<ExitCode> {
    let args: Vec<String> = env::args().skip(1).collect();
    let root = workspace::root()?;
    let (command, rest) = args.split_first().map_or(("help", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    match command {
        "test" => test::run(&root, rest),
        "check" => check::run(&root, rest),
        "deny" => deny::run(&root, rest),
        "ci" => ci::run(&root),
        "mutants" => mutants::run(&root, rest),
        "bench" => bench::run(&root, rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("there is no command `{other}`\n\n{HELP}"),
    }
}
