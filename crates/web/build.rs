//! Puts the files of `assets/` into the program: each plain and compressed, under one name that changes with them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

#[path = "style.rs"]
mod style;

#[expect(clippy::unnecessary_debug_formatting, reason = "a path is written as a Rust string literal")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=assets");
    let out = std::env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let mut files: Vec<_> = fs::read_dir("assets")?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);

    let mut hash = Sha256::new();
    let mut table = String::new();
    for file in files {
        let name = file.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?;
        let text = fs::read_to_string(file.path())?;
        let text = if is_style(&name) { style::delivered(&text) } else { text };
        hash.update(&name);
        hash.update(&text);
        fs::write(out.join(&name), &text)?;
        fs::write(out.join(format!("{name}.gz")), compress(text.as_bytes())?)?;
        writeln!(
            table,
            "Asset {{ name: {name:?}, media_type: {:?}, plain: include_bytes!({:?}), gzip: include_bytes!({:?}) }},",
            media_type(&name)?,
            out.join(&name),
            out.join(format!("{name}.gz")),
        )?;
    }
    let hash: String = hash.finalize()[..6].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let code = format!("pub(crate) const BASE: &str = \"/assets/{hash}\";\nstatic ASSETS: &[Asset] = &[\n{table}];\n");
    fs::write(out.join("assets.rs"), code)?;
    Ok(())
}

fn is_style(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "css")
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    // Without a time stamp the same file gives the same bytes.
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn media_type(name: &str) -> Result<&'static str, String> {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        _ => Err(format!("assets/{name}: what media type is that? Add it to build.rs")),
    }
}
