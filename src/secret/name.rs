//! Which names say that what they name is a secret: `password`, `API_TOKEN`, `--client-secret`.

/// Ends of names of secrets, without the characters between their words.
const ENDINGS: &[&str] = &[
    "token",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "privatekey",
    "apikey",
    "accesskey",
    "secretkey",
    "authkey",
    "credential",
    "credentials",
];

/// Ends of names that say where a secret is, or how long, and so name no secret.
const AROUND: &[&str] = &[
    "arn", "name", "path", "file", "folder", "dir", "uri", "url", "type", "version", "length", "size",
    "count", "policy", "ttl", "expiry", "expires",
];

/// Tokens that stand for words of a text: what trains on text names them so.
const OF_TEXT: &[&str] = &[
    "pad",
    "eos",
    "bos",
    "unk",
    "sep",
    "cls",
    "mask",
    "image",
    "special",
    "start",
    "end",
    "first",
    "last",
    "new",
    "next",
    "max",
    "min",
    "per",
    "continuation",
    "pagination",
];

/// How codes of errors begin that end in `Token`: AWS's `ExpiredToken`, `InvalidClientTokenId`.
const FAULTS: &[&str] = &[
    "Bad",
    "Duplicate",
    "Empty",
    "Expired",
    "Illegal",
    "Incomplete",
    "Incorrect",
    "Invalid",
    "Malformed",
    "Missing",
    "No",
    "Revoked",
    "Unauthorized",
    "Unexpected",
    "Unknown",
    "Unrecognized",
    "Unsupported",
    "Wrong",
];

/// Whether what has this name is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    if AROUND.iter().any(|around| plain.ends_with(around)) {
        return false;
    }
    if let Some(before) = plain.strip_suffix("token") {
        return !OF_TEXT.iter().any(|word| before.ends_with(word));
    }
    plain.contains("secret") || ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

/// Whether the value of this name is a password, which may be a number too.
pub fn is_password_name(name: &str) -> bool {
    is_secret_name(name) && name.to_ascii_lowercase().contains("pass")
}

/// Whether this is the code of an error, behind which a colon begins a message: `ExpiredToken`, `TokenException`.
pub fn is_error_code(name: &str) -> bool {
    let is_camel = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.contains(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    let is_fault = name.ends_with("Token") && FAULTS.iter().any(|fault| name.starts_with(fault));
    is_camel && (is_fault || name.ends_with("Exception") || name.ends_with("Error"))
}

/// Whether it reads as `AccessToken` does, of which only its value tells whether it is the code of an error.
pub fn is_like_error_code(name: &str) -> bool {
    name.ends_with("Token") && name.starts_with(|c: char| c.is_ascii_uppercase()) && name != "Token"
}

/// Whether this is an option of a command line whose value is a secret: `--password`.
pub fn is_secret_flag(text: &str) -> bool {
    text.len() > 2 && text.starts_with('-') && !text.contains(char::is_whitespace) && is_secret_name(text)
}

/// Whether a word stands for a value that isn't there, and so is no secret: `none`, or `TOKEN` in a usage line.
pub fn names_nothing(value: &str) -> bool {
    const WORDS: &[&str] =
        &["none", "null", "true", "false", "undefined", "required", "optional", "string", "text", "default"];
    let is_placeholder = value.chars().all(|c| c.is_ascii_uppercase() || c == '_') && is_secret_name(value);
    is_placeholder || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether the words before a name say that something is wrong with it: `invalid` in `invalid token: …`.
pub fn follows_fault(before: &str) -> bool {
    let word = before.trim_end().rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    before.ends_with(' ') && FAULTS.iter().any(|fault| word.eq_ignore_ascii_case(fault))
}

/// Whether a value is only referred to: a variable or a command of a shell, a template, or a mask.
pub fn is_reference(value: &str) -> bool {
    let is_variable = |name: &str| {
        name.starts_with(['{', '('])
            || (!name.is_empty()
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
    };
    value.strip_prefix('$').is_some_and(is_variable)
        || ["{{", "{%", "%{", "***"].iter().any(|opening| value.starts_with(opening))
}
