//! Who had a public endpoint at a time? docs/who.md is the manual.
//!
//! | part | what it does |
//! |---|---|
//! | `question`, `endpoint` | what was typed, and what is asked |
//! | `survey`, `scope` | which recorders the files are of, and what was not recorded at all |
//! | `wanted`, `plan`, `gather` | the flows that have the endpoints, of the parts of a journal that can hold them |
//! | `flow`, `ended`, `halves` | who of a flow's endpoints is inside, public, peer, and when it may have been alive |
//! | `history`, `readings`, `heard` | what the readings of the kernel's table, and the clock when it was set, say of a flow's begin and end |
//! | `recorder`, `insides`, `intervals` | what one recorder has to say |
//! | `kinds` | of which kinds of flows it can say that, and when |
//! | `unread` | whether a file that could not be read may matter |
//! | `evidence`, `verdict` | the answer of all of them, how sure it is, and what would change it |

mod ended;
mod endpoint;
mod evidence;
mod flow;
mod gather;
mod halves;
mod heard;
mod history;
mod insides;
mod intervals;
mod kinds;
mod plan;
mod question;
mod readings;
mod recorder;
mod scope;
mod survey;
mod unread;
mod verdict;
mod wanted;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use ctrecorder_format::Damage;

pub use endpoint::{EndpointError, Peer, parse_endpoint};
use evidence::Evidence;
pub use flow::{Flow, Told, Translation};
pub use question::{Meant, Question, QuestionError, Terms};
pub use survey::Name;
pub use verdict::{Answer, Around, Change, Doubt, Finding, Verdict, What, Why};
use wanted::Wanted;

use crate::journal::{Error, Journal};

/// What was read for some questions, and what happened on the way.
#[derive(Debug, Default)]
pub struct Asked {
    /// Damage that was met, with its file.
    pub damage: Vec<(PathBuf, Damage)>,
    /// What could not be read, beside what [`Journal::find`] told.
    pub failures: Vec<Error>,
    /// Files of which neither the header nor a block is whole.
    pub shapeless: Vec<PathBuf>,
    evidence: Evidence,
}

impl Asked {
    /// The answer to one of the questions.
    pub fn answer(&self, question: Question) -> Answer {
        Answer::new(question, &self.evidence)
    }
}

/// Reads what some questions need of the journals of any recorders: each part of them that can answer is read once for all
/// questions. `unfound` is what [`Journal::find`] told: what there is, is not known. So many threads read.
pub fn ask(journal: &Journal, questions: &[Question], unfound: &[Error], threads: NonZeroUsize) -> Asked {
    let mut asked = Asked::default();
    asked.evidence = Evidence::gather(journal, questions, unfound, threads, &mut asked);
    asked
}
