//! A ring buffer.

use std::fmt::{self, Display};

mod inner;

pub const CAPACITY: usize = 8;

/// Holds the last values.
#[derive(Debug, Clone)]
pub struct Ring<T> {
    values: Vec<T>,
    next: usize,
}

pub enum Full {
    Never,
    After(usize),
}

pub trait Push<T> {
    type Back;
    fn push(&mut self, value: T) -> Self::Back;
}

impl<T: Clone> Push<T> for Ring<T> {
    type Back = Option<T>;

    // Overwrites the oldest.
    #[inline]
    fn push(&mut self, value: T) -> Option<T> {
        let old = self.values.get(self.next).cloned();
        self.values.insert(self.next % CAPACITY, value);
        old
    }
}

impl<T> Display for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Ring of {}", self.next)
    }
}

macro_rules! ring {
    ($($value:expr),*) => { Ring::from(vec![$($value),*]) };
}

pub fn empty<T>() -> Ring<T> {
    Ring { values: vec![], next: 0 }
}

mod tests {
    use super::*;

    fn is_empty() {
        assert_eq!(empty::<u8>().next, 0);
    }
}
