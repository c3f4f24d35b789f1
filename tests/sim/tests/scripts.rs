//! Plays the scripts of `tests/sim/scripts`; how they read says `sim::script`. `SIM_REWRITE=1` writes into them what
//! comes out, `SIM_SCRIPT=part-of-a-name` plays only some.

use std::{env, fs, path::Path};

#[test]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let some = env::var("SIM_SCRIPT").unwrap_or_default();
    let rewrite = env::var_os("SIM_REWRITE").is_some();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let chosen = |file: &std::path::PathBuf| {
        file.extension().is_some_and(|e| e == "txt") && file.to_string_lossy().contains(&some)
    };
    let mut files: Vec<_> = files.filter(chosen).collect();
    files.sort();
    assert!(!files.is_empty(), "no script has {some:?} in its name");
    let failed: Vec<String> = files
        .iter()
        .filter_map(|file| sim::script::check(file, rewrite).err())
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} scripts fail:\n{}",
        failed.len(),
        files.len(),
        failed.join("\n\n")
    );
}
