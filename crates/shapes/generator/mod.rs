//! The generator: a reduced model in, the text of one Rust module out.
//!
//! `types` writes what code holds (structs, enums and their serde form), `tables` writes what
//! walkers read (shapes, operations, errors). A codec is a walker over those tables, in `src/`;
//! nothing is generated a codec, and a codec that needs a trait more adds it in `model` and
//! `tables`.

mod model;
mod names;
mod tables;
mod types;

pub use model::Model;

/// Writes the module of one service.
pub fn generate(model: &Model) -> Result<String, String> {
    let mut code = format!(
        "// Generated from the reduced model of {}.\n\n",
        model.source
    );
    types::write(model, &mut code)?;
    tables::write(model, &mut code)?;
    Ok(code)
}
