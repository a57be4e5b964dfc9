//! The command line: `opsml-worker train` and `opsml-worker serve`, as SageMaker calls a container, and
//! `opsml-worker files`.

use std::any::Any;
use std::fs;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use opsml_worker::container::{Container, create_folder, write_bytes};
use opsml_worker::error::{AtPath, Error, Result};
use opsml_worker::usage::Recorder;
use opsml_worker::{files, memory, serve, train};

/// The exit code that shells report of a process that SIGTERM ended: 128 + 15.
const EXIT_STOPPED: i32 = 143;
const EXIT_FAILED: i32 = 1;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let container = Container::from_env();
    let command: fn(&Container) -> Result<()> = match arguments.iter().map(String::as_str).collect::<Vec<_>>()
        [..]
    {
        ["train"] => run_training,
        ["serve"] => |container| serve::serve(&container.model()),
        ["files"] => print_files,
        // The program starts only if libtorch is found.
        ["--version"] => {
            println!("opsml-worker {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!(
                "usage: opsml-worker train|serve|files (the job or model is found under $SAGEMAKER_BASE_DIR, /opt/ml by default)"
            );
            return ExitCode::from(2);
        }
    };
    // Some functions of tch panic when libtorch throws. The job must still report why it failed.
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(|| command(&container))).unwrap_or_else(|panic| {
        Err(Error::new(format!("a bug in opsml-worker, or libtorch failed: {}", panic_text(&*panic))))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let stopped = matches!(error, Error::Stopped);
            if !stopped
                && arguments[0] == "train"
                && let Err(unwritten) = write_failure(&container, &error.to_string())
            {
                eprintln!("error: {unwritten}");
            }
            end(if stopped { EXIT_STOPPED } else { EXIT_FAILED })
        }
    }
}

/// Ends the process without C++'s destructors of static objects, which threads of libtorch may still use.
fn end(code: i32) -> ! {
    let _ = std::io::stdout().flush();
    // SAFETY: `_exit` takes a number and does not return.
    unsafe { libc::_exit(code) }
}

fn run_training(container: &Container) -> Result<()> {
    let failure = container.failure();
    if failure.exists() {
        // The file is from an earlier attempt.
        fs::remove_file(&failure).at("remove", &failure)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, stop.clone())
        .map_err(|error| Error::new(format!("can't listen for SIGTERM: {error}")))?;
    memory::keep();
    let _recorder = Recorder::start(&container.usage())?;
    train::train(container, &stop)
}

/// Prints one path on each line: the program, then the libraries that it needs in a folder `lib` beside it.
fn print_files(_: &Container) -> Result<()> {
    for file in files::files()? {
        println!("{}", file.display());
    }
    Ok(())
}

fn write_failure(container: &Container, text: &str) -> Result<()> {
    let path = container.failure();
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    write_bytes(&path, text.as_bytes())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason was given").to_owned()
}
