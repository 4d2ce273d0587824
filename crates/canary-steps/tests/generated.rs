//! The code under `src/generated` is what `proto/` says. `UPDATE_GENERATED=1` rewrites it.

use std::fs;
use std::path::Path;

#[test]
fn generated_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().unwrap();
    let files = protox::compile(["plugin.proto", "version.proto"], [root.join("../../proto")]).unwrap();
    tonic_prost_build::configure()
        .build_client(true)
        .out_dir(fresh.path())
        .file_descriptor_set_path(fresh.path().join("descriptors.bin"))
        .skip_protoc_run()
        .compile_fds(files.clone())
        .unwrap();
    fs::write(
        fresh.path().join("descriptors.bin"),
        prost::Message::encode_to_vec(&files),
    )
    .unwrap();

    let kept = root.join("src/generated");
    let mut names: Vec<_> = fs::read_dir(fresh.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        // A package without anything of its own leaves an empty file behind.
        .filter(|name| fs::metadata(fresh.path().join(name)).unwrap().len() > 0)
        .collect();
    names.sort();
    for name in names {
        let new = fs::read(fresh.path().join(&name)).unwrap();
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(kept.join(&name), &new).unwrap();
        }
        let old = fs::read(kept.join(&name)).unwrap_or_default();
        assert!(
            old == new,
            "src/generated/{} is not what proto/ says; run the test with UPDATE_GENERATED=1",
            name.display()
        );
    }
}
