//! A filter as what a journal asks of one.

use ctrecorder_format::legacy::Endpoints;
use ctrecorder_format::{Address, Columns, DirectoryEntry, Head, Index, Record};

use super::Filter;
use crate::journal::Select;

impl Select for Filter {
    fn rules_out(&self, head: &Head<'_>) -> bool {
        Self::rules_out(self, head)
    }

    fn rules_out_entry(&self, entry: &DirectoryEntry) -> bool {
        Self::rules_out_entry(self, entry)
    }

    fn asks_indexes(&self) -> bool {
        self.has_keys()
    }

    fn columns(&self, index: &Index<'_>) -> Columns {
        Self::columns(self, index)
    }

    #[inline]
    fn may_match(&self, endpoints: &Endpoints<'_>) -> bool {
        Self::may_match(self, endpoints)
    }

    #[inline]
    fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        Self::matches(self, record)
    }
}
