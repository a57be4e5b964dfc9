//! Shell scripts from templates: every value is quoted for the shell, and none is taken for a part of the script.

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};

use crate::failure::{Failure, Outcome};

/// Renders a template whose values are given as one object. `quote` makes one word of a value.
pub fn render(template: &str, values: &serde_json::Value) -> Outcome<String> {
    let failed =
        |error: minijinja::Error| Failure::new("Template", format!("a script of opsml's own: {error:#}"));
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("quote", |value: String| quote(&value));
    environment.render_str(template, Value::from(Serde(values))).map_err(failed)
}

/// One word of a POSIX shell: within single quotes nothing has a meaning, and a single quote ends them.
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
