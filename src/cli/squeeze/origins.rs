//! What an output was made from. Inputs without a footer are known by the digest of all of their bytes.

use ctrecorder_format::MadeFrom;

use crate::cli::flows::Plan;
use crate::journal::{Error, Member};

/// The inputs of an output, in their order.
#[derive(Default)]
pub(super) struct Origins(Vec<(MadeFrom, Member)>);

impl Origins {
    /// Of the output of this plan.
    pub(super) fn of(plan: &Plan) -> Self {
        Self(plan.origins().map(|(input, file)| (input, file.clone())).collect())
    }

    /// All of them, once their flows are paired.
    ///
    /// # Errors
    /// If what was read of an input may not be what its digest is of.
    pub(super) fn known(&self) -> Result<Vec<MadeFrom>, Error> {
        let known = |(input, file): &(MadeFrom, Member)| match file.content() {
            Some(content) if input.digest().is_none() => {
                file.check_unaltered()?;
                Ok(input.with_content(content))
            }
            _ => Ok(*input),
        };
        self.0.iter().map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use ctrecorder_format::{Digest, digest_of};

    use super::*;
    use crate::cli::Report;
    use crate::cli::flows::Choice;
    use crate::journal::Journal;
    use crate::query::Filter;
    use crate::sample::data;

    /// Replaces a file by one with these bytes.
    fn replace(path: &Path, bytes: &[u8]) {
        let new = path.with_extension("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// A file of version 2, and one of the same length and begin.
    fn two() -> (Vec<u8>, Vec<u8>) {
        let own = data("tcp.ct");
        let mut other = own.clone();
        *other.last_mut().unwrap() ^= 1;
        (own, other)
    }

    /// The digest that an output would tell of a file to which this happens while it is read.
    fn content(bytes: &[u8], happens: impl Fn(&Path)) -> anyhow::Result<Option<Digest>> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("1.ct");
        fs::write(&path, bytes).unwrap();
        let journal = Journal::find(std::slice::from_ref(&path), |error| panic!("{error}")).fixed();
        let choice = Choice::of_flows(Filter::default());
        let plan = Plan::for_journal(&journal, &choice, &mut Report::new(0, false)).unwrap().unwrap();
        happens(&path);
        Ok(Origins::of(&plan).known()?[0].content())
    }

    /// A clock may be too coarse to tell.
    fn touch(path: &Path) {
        let later = FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(10));
        File::options().write(true).open(path).unwrap().set_times(later).unwrap();
    }

    #[test]
    fn a_digest_is_of_the_file_that_was_read() {
        let (own, other) = two();
        let longer = |path: &Path| fs::write(path, [&own[..], b"more"].concat()).unwrap();
        assert_eq!(content(&own, |_| ()).unwrap(), Some(digest_of(&own)));
        assert_eq!(content(&own, longer).unwrap(), Some(digest_of(&own)));
        assert_eq!(content(&own, touch).unwrap(), Some(digest_of(&own)), "nobody wrote to it");
        // Who has read it need not care what comes in its place.
        assert_eq!(content(&own, |path| replace(path, &other)).unwrap(), Some(digest_of(&own)));
    }

    #[test]
    fn a_file_that_was_written_to_in_its_place_has_no_digest() {
        let (own, other) = two();
        let alter = |path: &Path| {
            fs::write(path, &other).unwrap();
            touch(path);
        };
        let error = content(&own, alter).unwrap_err();
        assert!(error.to_string().ends_with("1.ct: it was replaced or written to since it was looked at"), "{error}");
    }
}
