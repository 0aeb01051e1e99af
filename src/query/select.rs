//! A filter as what a journal asks of one.

use ctrecorder_format::{Address, Head, Record};

use super::Filter;
use crate::journal::Select;

impl Select for Filter {
    fn rules_out(&self, head: &Head<'_>) -> bool {
        Self::rules_out(self, head)
    }

    fn matches<A: Address>(&self, record: &Record<A>) -> bool {
        Self::matches(self, record)
    }
}
