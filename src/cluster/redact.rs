//! A CIB that may be shown.

/// What stands in a password's place.
const HIDDEN: &str = "(hidden)";

/// Whether a parameter of a fence agent holds what nobody else may know.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    // A script or a file that holds it is no secret.
    if name.ends_with("-script") || name.ends_with("-file") {
        return false;
    }
    [
        "passw",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "api-key",
        "hexadecimal-kg",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// `cib` with the values of passwords hidden; text that is no XML is hidden as a
/// whole.
pub fn redact(cib: &str) -> String {
    let Ok(document) = roxmltree::Document::parse(cib) else {
        return HIDDEN.into();
    };
    let mut text = String::with_capacity(cib.len());
    let mut at = 0;
    for node in document.descendants() {
        if !node.has_tag_name("nvpair") || !node.attribute("name").is_some_and(is_secret) {
            continue;
        }
        if let Some(value) = node.attribute_node("value") {
            let range = value.range_value();
            text.push_str(&cib[at..range.start]);
            text.push_str(HIDDEN);
            at = range.end;
        }
    }
    text.push_str(&cib[at..]);
    text
}

#[cfg(test)]
mod tests {
    use super::{is_secret, redact};

    #[test]
    fn passwords_are_hidden_and_nothing_else() {
        let cib = "<cib><nvpair id=\"a\" name=\"password\" value=\"x&quot;y\"/>\n\
                   <nvpair id=\"b\" name=\"ip\" value=\"z\"/></cib>";
        assert_eq!(redact(cib), cib.replace("x&quot;y", "(hidden)"));
        assert_eq!(redact("no xml, password=x"), "(hidden)");
    }

    #[test]
    fn the_agents_words_for_a_password_are_known() {
        for name in [
            "password",
            "passwd",
            "snmp_priv_passwd",
            "secret_key",
            "ssl-passphrase",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["ip", "username", "password_script", "identity_file", "plug"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
