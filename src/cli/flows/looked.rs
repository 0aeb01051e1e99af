//! What the inputs tell of time, each looked at as closely as it has to be.

use crate::journal::{Member, Source, Version};
use crate::query::coverage::{Look, Reading};

/// What the inputs of a journal tell of time, in their order.
#[derive(Debug, Default)]
pub(super) struct Looked(Vec<Input>);

#[derive(Debug, Default)]
struct Input {
    reading: Reading,
    /// Its directory was asked what the heads of its blocks tell, too: if they are all whole, they tell the same.
    is_by_directory: bool,
}

/// What an input tells of time, by such a look. Damage is not told: it is when the records are read.
pub(super) fn look(source: &Source, version: &Version<'_>, look: Look) -> Reading {
    let mut reading = Reading::default();
    reading.add(source, version, look, &mut |_| ());
    reading
}

impl Looked {
    /// Adds what the next input tells, by such a look: nothing, if it cannot be read.
    pub(super) fn push(&mut self, reading: Reading, by: Look) {
        self.0.push(Input { reading, is_by_directory: by == Look::Directory });
    }

    /// Something in the records of this input, counted from 0, cannot be read: when it was lost, the heads around it tell. Without a
    /// directory, they were asked from the first.
    pub(super) fn is_damaged(&mut self, number: usize, file: &Member) {
        if let Some(input) = self.0.get_mut(number)
            && std::mem::take(&mut input.is_by_directory)
            && let Ok(source) = file.open()
            && let Ok(version) = source.parse()
            && has_directory(&version)
        {
            input.reading = look(&source, &version, Look::Heads);
        }
    }

    /// What all of them tell.
    pub(super) fn reading(&self) -> Reading {
        let mut all = Reading::default();
        self.0.iter().for_each(|input| all.join(input.reading.clone()));
        all
    }
}

/// Whether it is complete and tells of its blocks at its end: it will not grow.
fn has_directory(version: &Version<'_>) -> bool {
    matches!(version, Version::Three(segment) if segment.footer().is_some())
}
