//! Who had a public endpoint at a time? docs/who.md is the manual.
//!
//! | part | what it does |
//! |---|---|
//! | `question`, `endpoint` | what was typed, and what is asked |
//! | `wanted`, `plan`, `gather` | the flows that have the endpoints, of the parts of a journal that can hold them |
//! | `flow` | who of a flow's endpoints is inside, public, peer, and when it may have been alive |
//! | `readings`, `steps` | what the readings of the kernel's table, and the clock when it was set, say of a flow's begin and end |
//! | `scope` | what was not recorded at all |
//! | `evidence`, `verdict` | the answer, how sure it is, and what would change it |

mod endpoint;
mod evidence;
mod flow;
mod gather;
mod plan;
mod question;
mod readings;
mod scope;
mod steps;
mod verdict;
mod wanted;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use ctrecorder_format::Damage;

pub use endpoint::{EndpointError, Peer, parse_endpoint};
use evidence::Evidence;
pub use flow::{Flow, Told, Translation};
pub use question::{Meant, Question, QuestionError, Terms};
pub use verdict::{Answer, Around, Change, Doubt, Finding, Verdict, What};
use wanted::Wanted;

use super::coverage::Several;
use crate::journal::{Error, Journal};

/// What was answered, and what happened on the way.
#[derive(Debug)]
pub struct Asked {
    /// An answer to each question, in their order.
    pub answers: Vec<Answer>,
    /// Damage that was met, with its file.
    pub damage: Vec<(PathBuf, Damage)>,
    /// What could not be read, beside what [`Journal::find`] told.
    pub failures: Vec<Error>,
    /// Files of which neither the header nor a block is whole.
    pub shapeless: Vec<PathBuf>,
}

/// Asks a journal: each part of it that can answer is read once for all questions. `all_found` is false if some of
/// the files could not be found: then what they cover is not known. So many threads read.
///
/// # Errors
/// [`Several`], if the files are of several recorders.
pub fn ask(
    journal: &Journal,
    questions: Vec<Question>,
    all_found: bool,
    threads: NonZeroUsize,
) -> Result<Asked, Several> {
    let (evidence, asked) = Evidence::gather(journal, &questions, all_found, threads)?;
    let answers = questions.into_iter().map(|question| evidence.answer(question)).collect();
    Ok(Asked { answers, ..asked })
}
