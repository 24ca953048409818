//! Relation fields as dpkg-gencontrol prints them: what another relation
//! implies is left out (Dpkg::Deps), stronger fields first.

use debversion::Version;

use crate::recipe::relation::{Alternative, Relation, parse};

/// Drops relations that `stronger` fields or others of the same field imply,
/// or that the package itself fulfils; an entry takes the place of an
/// earlier one it implies.
pub fn simplify(own: &str, list: &[Relation], stronger: &[Relation]) -> Vec<Relation> {
    let mut left: Vec<Relation> = list.to_vec();
    let mut kept: Vec<Relation> = Vec::new();
    while !left.is_empty() {
        let next = left.remove(0);
        let fulfilled = next
            .0
            .iter()
            .any(|one| one.name == own && one.version.is_none());
        if fulfilled
            || stronger
                .iter()
                .chain(&kept)
                .any(|other| implies(other, &next))
        {
            continue;
        }
        match left.iter().position(|other| implies(other, &next)) {
            Some(at) => {
                let other = left.remove(at);
                left.insert(0, other);
            }
            None => kept.push(next),
        }
    }
    kept
}

/// A field that only lists packages (Conflicts, Provides): sorted by name.
pub fn union(list: &[Relation]) -> Vec<Relation> {
    let mut list = list.to_vec();
    list.sort();
    list.dedup();
    list
}

/// The relations of a field of the model.
///
/// # Errors
/// A relation that is none, with what to write instead.
pub fn read(list: &[String]) -> Result<Vec<Relation>, String> {
    list.iter().map(|text| parse(text)).collect()
}

/// Every way to fulfil `one` fulfils `other`.
fn implies(one: &Relation, other: &Relation) -> bool {
    one.0
        .iter()
        .all(|have| other.0.iter().any(|want| alternative_implies(have, want)))
}

fn alternative_implies(have: &Alternative, want: &Alternative) -> bool {
    if have.name != want.name {
        return false;
    }
    let (have, want) = match (&have.version, &want.version) {
        (_, None) => return true,
        (None, Some(_)) => return false,
        (Some(have), Some(want)) => (have, want),
    };
    let (Ok(low), Ok(high)) = (have.1.parse::<Version>(), want.1.parse::<Version>()) else {
        return have == want;
    };
    let order = low.cmp(&high);
    match (have.0.as_str(), want.0.as_str()) {
        ("=", "=") => order.is_eq(),
        ("=" | "<=", "<<") => order.is_lt(),
        ("=" | "<=" | "<<", "<=") | ("<<", "<<") => order.is_le(),
        ("=" | ">=", ">>") => order.is_gt(),
        ("=" | ">=" | ">>", ">=") | (">>", ">>") => order.is_ge(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Relation> {
        text.split(", ")
            .filter(|t| !t.is_empty())
            .map(|t| parse(t).unwrap())
            .collect()
    }

    fn simplified(text: &str, stronger: &str) -> String {
        let kept = simplify("self", &list(text), &list(stronger));
        kept.iter()
            .map(Relation::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn dpkg_leaves_out_what_is_implied() {
        for (given, stronger, wanted) in [
            ("aa, bb", "", "aa, bb"),
            ("aa (>= 1), aa (>= 2), bb", "", "aa (>= 2), bb"),
            ("aa, bb, aa (>= 2)", "", "aa (>= 2), bb"),
            ("aa | bb, cc, aa", "", "aa, cc"),
            ("aa, bb", "bb (>= 1)", "aa"),
            ("aa (>= 2)", "aa", "aa (>= 2)"),
            ("aa (= 2), aa (>= 1), aa (<< 3)", "", "aa (= 2)"),
            ("self, bb", "", "bb"),
            ("aa | bb | cc", "bb | aa", ""),
        ] {
            assert_eq!(simplified(given, stronger), wanted, "{given}");
        }
    }
}
