//! Writes `docs/api-coverage.md`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    std::fs::write(docs.join("api-coverage.md"), control::coverage_markdown())
}
