//! A filter as what a journal asks of one.

use ctrecorder_format::{Address, Columns, DirectoryEntry, Head, Index, Record};

use super::Filter;
use crate::archive::Sought;
use crate::journal::{Search, Select};

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

    fn sought(&self) -> Option<Vec<Sought>> {
        Self::sought(self)
    }

    fn by_endpoints<S: Search>(&self, search: S) -> S::Found {
        Self::by_endpoints(self, search)
    }

    #[inline]
    fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        Self::matches(self, record)
    }
}
