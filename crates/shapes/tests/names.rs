//! The generator's naming, which the build script cannot test itself.

#[path = "../generator/names.rs"]
mod names;

#[test]
fn statics_are_shouted() {
    assert_eq!(names::constant("DistributionConfig"), "DISTRIBUTION_CONFIG");
    assert_eq!(
        names::constant("listConflictingAliasesMaxItemsInteger").len(),
        42
    );
}
