//! What a word that nobody knows may have been meant for.

use strsim::osa_distance;

/// The nearest of these words, where any is near: with a letter or two wrong, missing, too many or exchanged.
pub(crate) fn nearest<'w>(typed: &str, known: &[&'w str]) -> Vec<&'w str> {
    let typed = typed.to_lowercase();
    // Long texts are no misspelt words, and would take long to compare. In short words, two letters are most of them.
    let allowed = match typed.chars().count() {
        0 | 1 | 16.. => return Vec::new(),
        2 | 3 => 1,
        _ => 2,
    };
    let distances = known.iter().map(|word| (osa_distance(&typed, word), *word));
    let distances: Vec<_> =
        distances.filter(|(distance, word)| *distance <= allowed && *distance < word.len()).collect();
    let least = distances.iter().map(|(distance, _)| *distance).min();
    distances.into_iter().filter(|(distance, _)| Some(*distance) == least).map(|(_, word)| word).collect()
}

/// These words as the end of a message: `: did you mean "and"?`. Empty without any.
pub(crate) fn did_you_mean<W: AsRef<str>>(words: &[W]) -> String {
    match words {
        [] => String::new(),
        words => {
            let quoted: Vec<_> = words.iter().map(|word| format!("\"{}\"", word.as_ref())).collect();
            format!(": did you mean {}?", quoted.join(" or "))
        }
    }
}
