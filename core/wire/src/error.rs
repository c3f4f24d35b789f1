//! Why a message was refused: which of its fields, and what is wrong with it.

use std::fmt;

use thiserror::Error;

/// A message that is no value of the model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct WireError {
    /// Path of the field, `spec.ports`; empty if no single field is at fault.
    pub field: String,
    /// What is wrong, in words for a user.
    pub reason: String,
}

impl WireError {
    pub(crate) fn new(field: &str, reason: impl fmt::Display) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The same error, seen from the message that has the faulty one in its field `outer`.
    pub(crate) fn within(self, outer: &str) -> Self {
        let field = if self.field.is_empty() {
            outer.to_owned()
        } else {
            format!("{outer}.{}", self.field)
        };
        Self { field, ..self }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.reason),
            field => write!(f, "{} (field {field})", self.reason),
        }
    }
}
