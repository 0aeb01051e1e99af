//! Asks the Bloom filters of a group. They are Parquet's: split blocks over XXH64, as those that segments have, so that the
//! keys of these serve here, too.

use ctrecorder_format::Key;
use parquet::errors::{ParquetError, Result};

use super::read::Group;

/// Bytes of a slot: one of them answers a question.
const SLOT: u64 = 32;

/// Whether a column may hold a value: that of which `key` is the hash, taken of its bytes as Parquet writes them.
pub(super) fn may_hold(group: &Group<'_>, column: usize, key: Key) -> Result<bool> {
    let metadata = group.metadata.columns().get(column);
    let place = metadata.and_then(|metadata| metadata.bloom_filter_offset().zip(metadata.bloom_filter_length()));
    let Some((offset, length)) = place else { return Ok(true) };
    let nonsense = |_| ParquetError::General("a Bloom filter that is nowhere".into());
    let (offset, length) = (u64::try_from(offset).map_err(nonsense)?, u64::try_from(length).map_err(nonsense)?);
    // Its header is shorter than a slot, and its slots are all that follows.
    let slots = length / SLOT;
    let first = offset.saturating_add(length % SLOT);
    let Ok(slots) = usize::try_from(slots) else { return Ok(true) };
    if slots == 0 {
        return Ok(true);
    }
    let slot = first.saturating_add(key.slot(slots) as u64 * SLOT);
    let bytes = group.bytes.get(slot..slot.saturating_add(SLOT))?;
    Ok(bytes.first_chunk().is_none_or(|slot| key.is_in(slot)))
}
