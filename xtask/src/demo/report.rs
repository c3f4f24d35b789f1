//! What the demo prints: steps, claims with their outcome, and the summary.

use anyhow::{Result, anyhow};

/// How the line of a claim that failed begins.
pub const FAIL: &str = "   FAIL  ";

/// Counts claims. A claim is a sentence that was checked.
#[derive(Default)]
pub struct Report {
    passed: u32,
    failed: Vec<String>,
}

impl Report {
    /// Opens a step.
    pub fn step(&mut self, number: u8, title: &str) {
        println!("\n== {number}. {title}");
    }

    /// Records a claim; an `Ok` text is its detail.
    pub fn check(&mut self, claim: &str, outcome: Result<String>) -> bool {
        match outcome {
            Ok(detail) if detail.is_empty() => println!("   ok    {claim}"),
            Ok(detail) => println!("   ok    {claim} ({detail})"),
            Err(error) => {
                println!("{FAIL}{claim}: {error:#}");
                self.failed.push(claim.to_owned());
                return false;
            }
        }
        self.passed += 1;
        true
    }

    /// Records a claim that the rest of the demo cannot do without.
    ///
    /// # Errors
    /// The claim failed.
    pub fn require(&mut self, claim: &str, outcome: Result<String>) -> Result<()> {
        match self.check(claim, outcome) {
            true => Ok(()),
            false => Err(anyhow!("cannot go on")),
        }
    }

    /// Prints the summary.
    ///
    /// # Errors
    /// A claim failed.
    pub fn finish(self) -> Result<()> {
        println!("\n{} passed, {} failed", self.passed, self.failed.len());
        for claim in &self.failed {
            println!("   failed: {claim}");
        }
        if self.failed.is_empty() {
            Ok(())
        } else {
            Err(anyhow!("{} claims failed", self.failed.len()))
        }
    }
}
