//! `retinue`

use std::process::ExitCode;

fn main() -> ExitCode {
    retinue_server::cli::main()
}
