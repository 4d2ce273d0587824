//! crates/gob against Go's own encoding/gob.

#[test]
fn builds() {
    let Some(program) = interop::go_program("gob") else {
        return;
    };
    assert!(std::process::Command::new(program).status().unwrap().success());
}
