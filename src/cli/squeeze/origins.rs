//! What an output was made from. Inputs without a footer are known by the digest of all of their bytes: it is taken while their flows
//! are paired.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::Context;
use ctrecorder_format::MadeFrom;

use crate::cli::flows::Plan;
use crate::journal::{Member, Shown};

/// The inputs of an output, in their order.
pub(super) enum Origins {
    Known(Vec<MadeFrom>),
    /// A thread is at it, if the system had one to give.
    Awaited(Inputs, Option<JoinHandle<anyhow::Result<Vec<MadeFrom>>>>),
}

/// Inputs, of which some have no digest of their own, and where they are.
type Inputs = Arc<[(MadeFrom, Member)]>;

impl Origins {
    /// Of the output of this plan.
    pub(super) fn of(plan: &Plan) -> Self {
        if plan.made_from().iter().all(|input| input.digest().is_some()) {
            return Self::Known(plan.made_from().to_vec());
        }
        let inputs: Inputs = plan.origins().map(|(input, file)| (input, file.clone())).collect();
        let shared = Arc::clone(&inputs);
        let thread = Builder::new().name("digest".into()).spawn(move || digested(&shared));
        Self::Awaited(inputs, thread.ok())
    }

    /// All of them, once that is done, and their flows are paired.
    ///
    /// # Errors
    /// If an input cannot be read, or what was read of it may not be what the digest is of.
    pub(super) fn known(self) -> anyhow::Result<Vec<MadeFrom>> {
        let (inputs, thread) = match self {
            Self::Known(inputs) => return Ok(inputs),
            Self::Awaited(inputs, thread) => (inputs, thread),
        };
        let digested = match thread {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic))?,
            None => digested(&inputs)?,
        };
        let undigested = inputs.iter().filter(|(input, _)| input.digest().is_none());
        undigested.map(|(_, file)| file).try_for_each(Member::check_unaltered)?;
        Ok(digested)
    }
}

/// Inputs with the digests of those that have none of their own: of the bytes that they had when they were looked at.
fn digested(inputs: &[(MadeFrom, Member)]) -> anyhow::Result<Vec<MadeFrom>> {
    let digested = |(input, file): &(MadeFrom, Member)| {
        if input.digest().is_some() {
            return Ok(*input);
        }
        let digest = file.open()?.digest_to(input.length.get());
        let digest = digest.with_context(|| format!("{}: it has become shorter", Shown(file.path())))?;
        Ok(input.with_content(digest))
    };
    inputs.iter().map(digested).collect()
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

    /// The digest that an output would tell of a file to which this happens once it was looked at, and when its digest is known.
    fn content(bytes: &[u8], looked: impl Fn(&Path), digested: impl Fn(&Path)) -> anyhow::Result<Option<Digest>> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("1.ct");
        fs::write(&path, bytes).unwrap();
        let journal = Journal::find(std::slice::from_ref(&path), |error| panic!("{error}")).fixed();
        let choice = Choice::of_flows(Filter::default());
        let plan = Plan::for_journal(&journal, &choice, &mut Report::new(0, false)).unwrap().unwrap();
        looked(&path);
        let mut origins = Origins::of(&plan);
        if let Origins::Awaited(_, thread) = &mut origins {
            let done = thread.take().unwrap().join().unwrap()?;
            *thread = Some(std::thread::spawn(|| Ok(done)));
        }
        digested(&path);
        Ok(origins.known()?[0].content())
    }

    #[test]
    fn a_digest_is_of_the_file_that_was_looked_at() {
        let (own, other) = two();
        let nothing = |_: &Path| ();
        let longer = |path: &Path| fs::write(path, [&own[..], b"more"].concat()).unwrap();
        assert_eq!(content(&own, nothing, nothing).unwrap(), Some(digest_of(&own)));
        assert_eq!(content(&own, longer, nothing).unwrap(), Some(digest_of(&own)));
        let error = content(&own, |path| replace(path, &other), nothing).unwrap_err();
        assert!(error.to_string().ends_with("1.ct: it was replaced or written to since it was looked at"), "{error}");
        // Who has read it need not care what comes in its place.
        assert_eq!(content(&own, nothing, |path| replace(path, &other)).unwrap(), Some(digest_of(&own)));
    }

    #[test]
    fn a_file_that_was_written_to_in_its_place_has_no_digest() {
        let (own, other) = two();
        let nothing = |_: &Path| ();
        let alter = |path: &Path| {
            fs::write(path, &other).unwrap();
            // A clock may be too coarse to tell.
            let later = FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(10));
            File::options().write(true).open(path).unwrap().set_times(later).unwrap();
        };
        assert!(content(&own, alter, nothing).is_err());
        assert!(content(&own, nothing, alter).is_err());
    }
}
