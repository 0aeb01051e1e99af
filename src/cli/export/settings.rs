//! What all files of an export have in common.

use ctrecorder_format::Header;

use super::Form;
use super::said::Input;
use crate::archive::SourceFile;

/// So many files are written at once at most. A flow may end an hour or two before that is known; of what is squeezed, long lives
/// come later (docs/squeeze.md, "Long lives").
const OPEN_MAX: usize = 4;
const OPEN_MAX_OF_FLOWS: usize = 32;

/// What all files of an export have in common.
pub(super) struct Settings {
    pub(super) form: Form,
    pub(super) partition: bool,
    pub(super) without_ids: bool,
    /// The export, by 32 hexadecimal digits.
    pub(super) export: String,
    /// The begin of file names.
    pub(super) name: String,
    /// Which flows were chosen, as text; empty: all.
    pub(super) chosen: String,
    /// The flows that are open at its end are in a file of their own.
    pub(super) leaves_open: bool,
    /// It is put to an archive, which began then; `Some(None)` if it is the first one of it.
    pub(super) archive_from: Option<Option<u64>>,
    /// Files of open flows of earlier exports, and how many of these there were.
    pub(super) goes_on_with: Vec<SourceFile>,
    pub(super) earlier: u64,
    /// What was recorded.
    pub(super) header: Header,
    /// Some of the journal is of flows: these come in the order of their ends only nearly.
    pub(super) is_of_flows: bool,
    /// Until when the journal tells, ns since the epoch.
    pub(super) end: u64,
    /// The files of the journal, by their numbers; `None` where one could not be read.
    pub(super) inputs: Vec<Option<Input>>,
}

impl Settings {
    /// So many files are written at once at most.
    pub(super) fn open_max(&self) -> usize {
        if self.is_of_flows { OPEN_MAX_OF_FLOWS } else { OPEN_MAX }
    }
}
