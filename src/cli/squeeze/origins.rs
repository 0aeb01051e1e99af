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
    /// A thread is at it.
    Awaited(JoinHandle<anyhow::Result<Vec<MadeFrom>>>),
}

impl Origins {
    /// Of the output of this plan.
    pub(super) fn of(plan: &Plan) -> anyhow::Result<Self> {
        if plan.made_from().iter().all(|input| input.digest().is_some()) {
            return Ok(Self::Known(plan.made_from().to_vec()));
        }
        let inputs: Arc<[_]> = plan.origins().map(|(input, file)| (input, file.clone())).collect();
        let shared = Arc::clone(&inputs);
        match Builder::new().name("digest".into()).spawn(move || digested(&shared)) {
            Ok(thread) => Ok(Self::Awaited(thread)),
            // The system has none to give.
            Err(_) => digested(&inputs).map(Self::Known),
        }
    }

    /// All of them, once that is done.
    pub(super) fn known(self) -> anyhow::Result<Vec<MadeFrom>> {
        match self {
            Self::Known(inputs) => Ok(inputs),
            Self::Awaited(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        }
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
