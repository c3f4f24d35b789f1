//! Entering and leaving over fake parts: nothing half-made stays, and refusals say what helps.
use super::*;
