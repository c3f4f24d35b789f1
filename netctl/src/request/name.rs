//! Names for services that were given none: an adjective and a scientist, as docker does.

use model::{Invalid, Name, NameKind};

const ADJECTIVES: [&str; 32] = [
    "able", "bold", "brave", "bright", "calm", "clever", "cool", "crisp", "eager", "exact", "fair", "fresh", "gentle",
    "happy", "keen", "kind", "light", "lucid", "merry", "modest", "neat", "noble", "patient", "quick", "quiet",
    "sharp", "steady", "sunny", "tidy", "vivid", "warm", "wise",
];
const SCIENTISTS: [&str; 32] = [
    "abel", "banach", "bell", "bohr", "bose", "cantor", "cerf", "curie", "dijkstra", "euclid", "euler", "fermat",
    "galois", "gauss", "germain", "hamming", "hopper", "kepler", "knuth", "lamport", "lovelace", "maxwell", "meitner",
    "moore", "newton", "noether", "pascal", "perlman", "shannon", "tarjan", "turing", "wirth",
];

/// A name made from `dice`, random bits that the caller drew.
pub fn random_name(dice: u128) -> Result<Name, Invalid> {
    let adjective = ADJECTIVES[(dice % 32) as usize];
    let scientist = SCIENTISTS[(dice / 32 % 32) as usize];
    Name::parse(NameKind::Service, &format!("{adjective}_{scientist}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_throw_gives_a_valid_name() {
        for dice in 0..1024 {
            assert!(random_name(dice).is_ok());
        }
        assert_eq!(random_name(0).unwrap().as_str(), "able_abel");
    }
}
