//! Why a file in Parquet is not read as an archive.

/// Why a file in Parquet is not read as an archive at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is in Parquet, and says nothing of itself that this program knows.
    #[error("a Parquet file that is no archive of ctrecorder")]
    Foreign,
    /// Its version is a later one.
    #[error("an archive of version {0}; this program reads versions 1.x: a newer one is needed")]
    Version(String),
    /// Its end is not there.
    #[error("an archive that is cut off: it has no footer")]
    CutOff,
    /// What it says of itself is damaged.
    #[error("an archive whose footer is damaged: {0}")]
    Damaged(String),
    /// The program was built without what it takes.
    #[error("an archive in Parquet, and this program was built without the feature \"archive\"")]
    LeftOut,
}
