//! Writes the seeds of every target: `seeds FOLDER` makes `FOLDER/TARGET/seed-N`.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("usage: seeds FOLDER"))?;
    for (target, _) in fuzzing::TARGETS {
        let corpus = folder.join(target);
        fs::create_dir_all(&corpus)?;
        for (number, seed) in fuzzing::seeds(target).iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
