//! Lists that the library returns in pages.

use std::vec;

use crate::error::Result;

/// How many values the library is asked for at once.
pub(crate) const PAGE: usize = 1024;

/// The values of all pages, one after the other. `next_page` returns the page that begins at an id, and
/// the id of the page after that, or 0 at the end.
pub(crate) struct Pages<T, F> {
    next_page: F,
    start: Option<u64>,
    values: vec::IntoIter<T>,
}

impl<T, F: FnMut(u64) -> Result<(Vec<T>, u64)>> Pages<T, F> {
    pub(crate) fn new(start: u64, next_page: F) -> Self {
        Pages { next_page, start: Some(start), values: Vec::new().into_iter() }
    }

    fn read(&mut self, start: u64) -> Result<()> {
        self.start = None;
        let (values, next) = (self.next_page)(start)?;
        self.values = values.into_iter();
        self.start = (next != 0).then_some(next);
        Ok(())
    }
}

impl<T, F: FnMut(u64) -> Result<(Vec<T>, u64)>> Iterator for Pages<T, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(value) = self.values.next() {
                return Some(Ok(value));
            }
            let start = self.start?;
            if let Err(error) = self.read(start) {
                return Some(Err(error));
            }
        }
    }
}
