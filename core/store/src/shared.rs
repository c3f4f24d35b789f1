//! A value that many have and that is copied only by who changes it while others have it.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// See the module. Read like the value itself; `&mut` makes it the holder's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_changes_it_leaves_it_to_others_as_it_was() {
        let mut mine = Shared::new(vec![1]);
        let other = mine.clone();
        assert!(Arc::ptr_eq(&mine.0, &other.0));
        mine.push(2);
        assert_eq!((mine.len(), other.len()), (2, 1));
    }
}
