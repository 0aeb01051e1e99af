//! What an output was made from. Inputs without a footer are known by the digest of all of their bytes: it is taken while their flows
//! are paired.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use ctrecorder_format::MadeFrom;

use crate::cli::flows::Plan;
use crate::journal::Member;

/// The inputs of an output, in their order.
pub(super) enum Origins {
    Known(Vec<MadeFrom>),
    /// A thread is at it.
    Awaited(JoinHandle<Vec<MadeFrom>>),
}

impl Origins {
    /// Of the output of this plan.
    pub(super) fn of(plan: &Plan) -> Self {
        if plan.made_from().iter().all(|input| input.digest().is_some()) {
            return Self::Known(plan.made_from().to_vec());
        }
        let inputs: Arc<[_]> = plan.origins().map(|(input, file)| (input, file.clone())).collect();
        let shared = Arc::clone(&inputs);
        match Builder::new().name("digest".into()).spawn(move || digested(&shared)) {
            Ok(thread) => Self::Awaited(thread),
            // The system has none to give.
            Err(_) => Self::Known(digested(&inputs)),
        }
    }

    /// All of them, once that is done.
    pub(super) fn known(self) -> Vec<MadeFrom> {
        match self {
            Self::Known(inputs) => inputs,
            Self::Awaited(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        }
    }
}

/// Inputs with the digests of those that have none of their own.
fn digested(inputs: &[(MadeFrom, Member)]) -> Vec<MadeFrom> {
    inputs
        .iter()
        .map(|(input, file)| content(input, file).map_or(*input, |digest| input.with_content(digest)))
        .collect()
}

/// The digest of the bytes that an input had when it was looked at; `None` if it has one of its own, or cannot be read any more.
fn content(input: &MadeFrom, file: &Member) -> Option<ctrecorder_format::Digest> {
    if input.digest().is_some() {
        return None;
    }
    file.open().ok()?.digest_to(input.length.get())
}
