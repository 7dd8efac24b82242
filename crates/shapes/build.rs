//! Turns every reduced model in `models/` into a Rust module in `OUT_DIR`.

mod generator;

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=generator");
    println!("cargo::rerun-if-changed=models");
    let out_directory = std::env::var("OUT_DIR")?;
    for entry in std::fs::read_dir("models")? {
        let path = entry?.path();
        let name = path.file_stem().ok_or("a model without a name")?;
        let text = std::fs::read_to_string(&path)?;
        let generated = serde_json::from_str(&text)
            .map_err(|error| error.to_string())
            .and_then(|model| generator::generate(&model))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        std::fs::write(
            Path::new(&out_directory).join(name).with_extension("rs"),
            generated,
        )?;
    }
    Ok(())
}
