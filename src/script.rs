//! Shell scripts from templates, whose values are quoted so that the shell executes none of them.

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};

use crate::failure::{Failure, Outcome};

/// Renders a template with the members of an object. The filter `quote` turns a value into one word of the shell.
pub fn render(template: &str, values: &serde_json::Value) -> Outcome<String> {
    let failed = |error: minijinja::Error| Failure::bug(format!("the template of a script: {error:#}"));
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("quote", |value: String| quote(&value));
    environment.render_str(template, Value::from(Serde(values))).map_err(failed)
}

/// Returns one word of a POSIX shell, in single quotes: within them, only a single quote is special.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in ["", "plain", "it's", "$(reboot) `x` \"y\" \\ ; & \n z", "'''"] {
            let values = serde_json::json!({"text": text});
            let script = render("printf %s {{ text | quote }}", &values).unwrap();
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), text);
        }
    }
}
