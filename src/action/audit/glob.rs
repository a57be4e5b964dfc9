//! The wildcards of IAM's policies.

/// Whether a pattern with `*` and `?` matches a whole text. Case is ignored.
pub fn glob(pattern: &str, text: &str) -> bool {
    let escaped = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    regex::Regex::new(&format!("(?is)^{escaped}$")).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("*", "arn:aws:iam::1:role/r", true),
            ("arn:*:role/dogs-*", "arn:aws:iam::1:role/dogs-1", true),
            ("arn:*:role/dogs-*", "arn:aws:iam::1:role/cats-1", false),
            ("iam:Pass*", "iam:passrole", true),
            ("iam:PassRol?", "iam:PassRole", true),
            ("a.c", "abc", false),
            ("(", "(", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }
}
