//! Every target over its seeds, and over each seed with one byte changed or its end cut off: what libFuzzer would try
//! first, on any toolchain.

use fuzzing::{TARGETS, seeds};

#[test]
fn every_target_takes_its_seeds_and_what_is_one_step_from_them() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has seeds");
        for seed in &seeds {
            target(seed);
            let step = seed.len() / 512 + 1;
            for at in (0..seed.len()).step_by(step) {
                target(&seed[..at]);
                let mut changed = seed.clone();
                changed[at] ^= 1 << (at % 8);
                target(&changed);
            }
        }
    }
}
