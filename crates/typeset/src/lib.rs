//! Typesets a template and its data as PDF, by typst.
//!
//! It is a package of its own so that the engine, which is compiled most often, does not compile typst's generics.

mod error;
mod fonts;
mod world;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use typst::diag::SourceDiagnostic;
use typst::foundations::{Datetime, Smart};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

pub use self::error::{Error, Problem};
pub use self::fonts::is_covered;
pub use self::world::Contents;
use self::world::Files;

/// A document as PDF.
#[derive(Debug)]
pub struct Pdf {
    pub bytes: Vec<u8>,
    /// Why it is not PDF/UA-1, the standard for documents that a screen reader can read. It is if there is nothing here.
    pub barriers: Vec<Problem>,
    /// What typst has left out, or has shown in another way than the template asks for.
    pub warnings: Vec<Problem>,
}

/// Typesets `template`, whose name in messages is `name`. It reads `contents` and nothing else: no file system, no
/// package, no clock but `at`. The same arguments give the same bytes.
///
/// # Errors
/// The template, at the lines that the error names, is not typst, or asks for what isn't there.
pub fn pdf(name: &str, template: &str, contents: Contents, at: Timestamp) -> Result<Pdf, Error> {
    let at = moment(at);
    let world = Files::new(template, contents, at);
    let told = |all: &[SourceDiagnostic]| all.iter().map(|one| Problem::new(one, &world)).collect();
    let failed = |all: &[SourceDiagnostic]| Error { name: name.to_owned(), problems: told(all) };
    let compiled = typst::compile::<PagedDocument>(&world);
    let document = compiled.output.map_err(|errors| failed(&errors))?;
    let warnings = told(&compiled.warnings);
    let export = |standards| typst_pdf::pdf(&document, &options(standards, at));
    let accessible = PdfStandards::new(&[PdfStandard::Ua_1]).unwrap_or_default();
    let exported = match export(accessible) {
        Ok(bytes) => Ok(Pdf { bytes, barriers: Vec::new(), warnings }),
        // A document that some can't read is better than none.
        Err(barriers) => match export(PdfStandards::default()) {
            Ok(bytes) => Ok(Pdf { bytes, barriers: told(&barriers), warnings }),
            Err(errors) => Err(failed(&errors)),
        },
    };
    // typst keeps what it has laid out for the next time, and there may be none.
    typst::comemo::evict(0);
    exported
}

fn options(standards: PdfStandards, at: Option<Datetime>) -> PdfOptions {
    PdfOptions {
        creator: Smart::Custom(Some("opsml".into())),
        timestamp: at.map(typst_pdf::Timestamp::new_utc),
        standards,
        ..PdfOptions::default()
    }
}

/// A time as typst has it, in UTC. It knows the years from 0 on only.
fn moment(at: Timestamp) -> Option<Datetime> {
    let at = at.to_zoned(TimeZone::UTC).datetime();
    let part = |number: i8| u8::try_from(number).ok();
    Datetime::from_ymd_hms(
        i32::from(at.year()),
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(template: &str, contents: &[(&str, &str)]) -> Result<Pdf, Error> {
        let contents =
            contents.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        pdf("t.typ", template, contents, Timestamp::from_second(1_795_224_000).unwrap())
    }

    fn failed(template: &str) -> String {
        made(template, &[]).unwrap_err().to_string()
    }

    #[test]
    fn the_same_arguments_give_the_same_bytes() {
        let template = "#set document(title: [T])\n= H\n#json(\"a.json\").text";
        let first = made(template, &[("a.json", r#"{"text": "one"}"#)]).unwrap();
        assert_eq!(first.bytes, made(template, &[("a.json", r#"{"text": "one"}"#)]).unwrap().bytes);
        assert_ne!(first.bytes, made(template, &[("a.json", r#"{"text": "two"}"#)]).unwrap().bytes);
        assert!(first.bytes.starts_with(b"%PDF-"));
        assert_eq!(first.barriers, []);
    }

    #[test]
    fn an_error_names_the_line() {
        assert_eq!(failed("= H\n\n#nothing"), "t.typ, line 3: unknown variable: nothing");
        let read = "\n#json(\"a.json\")";
        let error = made(read, &[("a.json", "{")]).unwrap_err().to_string();
        assert!(error.starts_with("t.typ, line 2: failed to parse JSON"), "{error}");
    }

    #[test]
    fn a_template_sees_nothing_but_its_files() {
        for (template, said) in [
            ("#read(\"/etc/passwd\")", "line 1: file not found"),
            ("#read(\"../../Cargo.toml\")", "line 1: "),
            ("#import \"@preview/cetz:0.3.0\"", "line 1: "),
            ("#image(\"http://example.com/x.png\")", "line 1: "),
        ] {
            let error = failed(template);
            assert!(error.contains(said), "{template}: {error}");
        }
        // The clock is the one that was handed over.
        let year = "#assert(datetime.today().year() == 2026)\n#assert(sys.inputs == (:))";
        assert!(made(year, &[]).is_ok());
    }

    #[test]
    fn what_a_screen_reader_cannot_read_is_told() {
        let svg =
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><text y="5">words</text></svg>"#;
        let with = |picture: &str| {
            let template = format!("#set document(title: [T])\n= H\n#image({picture})");
            made(&template, &[("a.svg", svg)]).unwrap().barriers
        };
        assert_eq!(with(r#""a.svg", alt: "words""#), []);
        let told = with(r#""a.svg""#);
        assert_eq!(told.first().and_then(|barrier| barrier.line), Some(3), "{told:?}");
        assert!(told[0].message.contains("alt text"), "{told:?}");
    }

    #[test]
    fn what_typst_leaves_out_is_told() {
        let told = made("\n#par(block[x])", &[]).unwrap().warnings;
        assert_eq!(told.first().and_then(|warning| warning.line), Some(2), "{told:?}");
    }

    #[test]
    fn every_character_that_is_covered_can_be_shown() {
        let covered: String = ('\u{20}'..'\u{ffff}').filter(|c| is_covered(*c)).collect();
        assert!(covered.chars().count() > 3000 && "äß→✓✗○⚠…–Ωж".chars().all(is_covered));
        assert!(!is_covered('\u{1f600}') && !is_covered('漢'));
        let data = as_json(&covered);
        let template = "#set document(title: [T])\n= H\n#set text(font: \"Source Sans 3\")\n\
            #for c in json(\"a.json\").clusters() [#c ]";
        assert_eq!(made(template, &[("a.json", &data)]).unwrap().barriers, []);
    }

    /// A text as JSON.
    fn as_json(text: &str) -> String {
        let escaped: String = text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        format!("\"{escaped}\"")
    }
}
