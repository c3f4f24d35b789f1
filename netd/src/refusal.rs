//! Why the daemon did not do what it was asked, on its way to the user's terminal.

use tonic::{Code, Status};

/// A refusal, or a failure that left nothing half-made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    /// For the user.
    pub words: String,
}

/// The outcome of an order.
pub type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    /// The state of this host or of the cluster does not allow it.
    pub fn of_state(words: impl Into<String>) -> Self {
        Self {
            code: Code::FailedPrecondition,
            words: words.into(),
        }
    }

    /// What was asked makes no sense, or names something that is not there.
    pub fn of_request(words: impl ToString) -> Self {
        Self {
            code: Code::InvalidArgument,
            words: words.to_string(),
        }
    }

    /// A key is needed first.
    pub fn of_lock(words: impl ToString) -> Self {
        Self {
            code: Code::Unauthenticated,
            words: words.to_string(),
        }
    }
}

/// Anything that went wrong on the way, with its causes.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::of_state(format!("{error:#}"))
    }
}

impl From<crate::preflight::Unfit> for Refusal {
    fn from(unfit: crate::preflight::Unfit) -> Self {
        Self::of_state(unfit.to_string())
    }
}

impl From<crate::advertise::ChoiceError> for Refusal {
    fn from(error: crate::advertise::ChoiceError) -> Self {
        Self::of_request(error)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.words)
    }
}
