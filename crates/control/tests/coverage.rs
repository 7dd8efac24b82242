//! What is said of the API is what it does.

#[test]
fn the_page_of_what_is_implemented_is_generated_from_the_code() {
    let page = include_str!("../../../docs/api-coverage.md");
    assert_eq!(
        page,
        control::coverage_markdown(),
        "write it anew: cargo run --release -p control --example coverage"
    );
}
