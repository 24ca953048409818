//! "Did you mean": the known word nearest to one that is not known.

/// The candidate fewest edits away from `word`, if at most a third of the
/// letters differ; the first of equally near ones. Without one, a candidate
/// that `word` shortens.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    let mut longer = None;
    for candidate in candidates {
        let allowed = word
            .chars()
            .count()
            .max(candidate.chars().count())
            .div_ceil(3);
        let edits = distance(&word.to_lowercase(), &candidate.to_lowercase());
        if edits <= allowed && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
        if longer.is_none() && word.len() >= 3 && candidate.starts_with(word) {
            longer = Some(candidate);
        }
    }
    best.map(|(_, candidate)| candidate).or(longer)
}

/// `did you mean \`x\`?`, or the whole list when nothing is near.
pub fn remedy<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(word, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    let known: Vec<String> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
    match known.as_slice() {
        [] => "there is none to choose from".into(),
        [only] => format!("the only one is {only}"),
        many => format!("write one of {}", many.join(", ")),
    }
}

/// Edits between two words; swapping two neighbours counts as one
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_recognised() {
        let known = ["depends", "recommends", "suggests"];
        assert_eq!(nearest("dependes", known), Some("depends"));
        assert_eq!(nearest("DEPENDS", known), Some("depends"));
        assert_eq!(nearest("sugegsts", known), Some("suggests"));
        assert_eq!(nearest("maintainer", known), None);
        assert_eq!(nearest("ip", ["id"]), Some("id"));
        assert_eq!(nearest("", ["id"]), None);
        assert_eq!(nearest("prio", ["prompt", "priority"]), Some("priority"));
    }

    #[test]
    fn a_remedy_lists_what_there_is() {
        assert_eq!(remedy("depend", ["depends"]), "did you mean `depends`?");
        assert_eq!(remedy("xyz", ["low", "high"]), "write one of `low`, `high`");
        assert_eq!(remedy("xyz", ["low"]), "the only one is `low`");
        assert_eq!(remedy("xyz", []), "there is none to choose from");
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ab", "ba"), 1);
    }
}
