//! The files that fit a pattern, one after the other: a directory may have 100,000, and many threads may look at once.

use std::fs::{self, Metadata, ReadDir};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::pattern::{GLOB_OPTIONS, Names, Pattern};

/// Whatever has a name that a glob of a pattern's fits, as it comes.
pub(super) fn names(glob: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let mut walk =
        Walk { parts: glob.split('/').filter(|part| !part.is_empty()).map(Part::of).collect(), open: vec![] };
    let first = walk.descend(PathBuf::from("/"), 0);
    first.into_iter().chain(walk)
}

/// The regular files among these, with the times when they were written to last.
pub(super) fn fitting(glob: &str) -> impl Iterator<Item = (SystemTime, PathBuf)> + use<> {
    names(glob).filter_map(|path| {
        let metadata = path.metadata().ok().filter(Metadata::is_file)?;
        Some((metadata.modified().ok()?, path))
    })
}

/// Whatever has a name that this pattern gives, for whichever network namespace.
pub(crate) fn of_all_netns(pattern: &Pattern) -> impl Iterator<Item = PathBuf> + use<> {
    let own = pattern.glob();
    let is_own = Names::of(std::slice::from_ref(&own));
    let others = pattern.globs_of_netns(None).into_iter().flat_map(|glob| names(&glob));
    names(&own).chain(others.filter(move |path| !is_own.have(path)))
}

/// What stands between two slashes of a glob.
enum Part {
    /// Nothing but itself.
    Literal(String),
    Glob(glob::Pattern),
}

impl Part {
    fn of(text: &str) -> Self {
        let literal = literal(text);
        let glob = literal.is_none().then(|| glob::Pattern::new(text).ok()).flatten();
        glob.map_or_else(|| Self::Literal(literal.unwrap_or_else(|| text.into())), Self::Glob)
    }

    /// Whether it fits a name; none fits one that is no UTF-8, as a pattern is.
    fn fits(&self, name: &Path) -> bool {
        let Some(name) = name.to_str() else { return false };
        match self {
            Self::Literal(text) => text == name,
            Self::Glob(glob) => glob.matches_with(name, GLOB_OPTIONS),
        }
    }
}

/// What a glob is that fits but one name, characters in brackets included ([`glob::Pattern::escape`]). The directory that such a name is
/// in need not be read, and cannot be from within a sandbox.
fn literal(glob: &str) -> Option<String> {
    const ESCAPED: [(&str, char); 4] = [("[*]", '*'), ("[?]", '?'), ("[[]", '['), ("[]]", ']')];
    let (mut literal, mut rest) = (String::new(), glob);
    while let Some(first) = rest.chars().next() {
        let escaped = ESCAPED.into_iter().find_map(|(text, character)| Some((rest.strip_prefix(text)?, character)));
        let plain =
            (!['*', '?', '['].contains(&first)).then(|| (rest.get(first.len_utf8()..).unwrap_or_default(), first));
        let (behind, character) = escaped.or(plain)?;
        literal.push(character);
        rest = behind;
    }
    Some(literal)
}

/// A way through the directories that a glob leads to.
struct Walk {
    parts: Vec<Part>,
    /// The directories on the way down, and by which part their entries are chosen.
    open: Vec<(ReadDir, usize)>,
}

impl Walk {
    /// From a path that all parts before this one fit: opens the directory where the next choice is. Returns the path if there is none.
    fn descend(&mut self, mut path: PathBuf, from: usize) -> Option<PathBuf> {
        for (number, part) in self.parts.iter().enumerate().skip(from) {
            match part {
                Part::Literal(name) => path.push(name),
                Part::Glob(_) => {
                    self.open.extend(fs::read_dir(&path).ok().map(|entries| (entries, number)));
                    return None;
                }
            }
        }
        Some(path)
    }
}

impl Iterator for Walk {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        loop {
            let (entries, number) = self.open.last_mut()?;
            let number = *number;
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            let Ok(entry) = entry else { continue };
            let fits = self.parts.get(number).is_some_and(|part| part.fits(Path::new(&entry.file_name())));
            if fits && let Some(path) = self.descend(entry.path(), number + 1) {
                return Some(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_that_fits_but_one_name_is_that_name() {
        for name in ["ct", "50%[x]*", "[", "]", "[]", "?[*", "ä[ö]", "a[b]c]", "[0-9]", "!x"] {
            assert_eq!(literal(&glob::Pattern::escape(name)).as_deref(), Some(name));
        }
        assert!(["*", "a?", "[0-9]*", "x[[]*", "[!a]"].iter().all(|glob| literal(glob).is_none()));
    }

    #[test]
    fn whatever_the_pattern_gives_is_found_in_whichever_directory_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("50%[x]*");
        let wanted =
            ["2026/11/ct.20", "2026/12/ct.01", "2025/11/ct.9", "2026/11/ct.netns-3.20", "2026/11/ct.netns-3-2.20"];
        let others = ["2026/ct.20", "2026/11/ct.x", "2026/ab/ct.20", "2026/11/.ct.20", "x/11/ct.20", "2026/12/5/ct.20"];
        for name in wanted.iter().chain(&others) {
            let path = base.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
        }
        let text = format!("{}/50%%[x]*/%Y/%m/ct.%d", directory.path().display());
        let pattern = Pattern::new(&text, 0, 0).unwrap();
        let mut found: Vec<_> = of_all_netns(&pattern).collect();
        found.sort();
        let mut expected: Vec<_> = wanted.iter().map(|name| base.join(name)).collect();
        expected.sort();
        assert_eq!(found, expected);
        let only = |path: PathBuf| {
            fitting(&glob::Pattern::escape(path.to_str().unwrap())).map(|(_, path)| path).collect::<Vec<_>>()
        };
        assert_eq!(only(base.join("2026/12/ct.01")), [base.join("2026/12/ct.01")]);
        assert!(only(base.join("none")).is_empty() && only(base.join("2026")).is_empty(), "no file, and a directory");
        assert_eq!(fitting("/no-such-directory/*/ct").count(), 0);
    }
}
