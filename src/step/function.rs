//! `function`: a Lambda function, with opsml's handler or with the user's code.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsml_contract::HANDLER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::context::{Context, Done};
use super::fields::{FunctionName, RoleArn};
use super::kind::{Kind, Local, LocalForm, Problem, Reads};
use crate::archive::{self, Member};
use crate::aws_names;
use crate::failure::{Failure, Outcome};
use crate::files::{self, files_below};
use crate::journal::Figure;
use crate::resource::{self, FunctionPermission, Vpc};

/// The most bytes of a zip that is sent with the request.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_ZIP: usize = 50 << 20;

/// The most bytes of code that a report lists.
const MAX_LISTING: u64 = 64 << 10;

/// The program that `opsml-handler` is built from, and what its main part begins with.
const HANDLER_SOURCE: &str = include_str!("../../crates/handler/src/main.rs");
const MAIN_PART: &str = "/// Returns the response";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The function's name. By default it is generated from the runbook's name and the stack.
    pub name: Option<FunctionName>,
    /// `opsml-handler`, which sends an image to the endpoint that `ENDPOINT_NAME` names; or a file, a folder or a zip of
    /// code, relative to the runbook.
    #[serde(default = "handler")]
    pub code: String,
    /// The runtime. `provided.al2023` runs the program `bootstrap` of the code, `python3.12` a Python module.
    #[serde(default = "provided")]
    #[schemars(regex(pattern = r"^[a-z][a-z0-9.]{1,40}$"), extend("x-rule" = "a runtime is such as provided.al2023 or python3.12"))]
    pub runtime: String,
    /// The module and function that Python calls, such as `lambda_function.lambda_handler`.
    #[schemars(length(min = 1, max = 128))]
    pub handler: Option<String>,
    /// ARN of the role that it acts by.
    pub role: Option<RoleArn>,
    /// Environment variables, such as `ENDPOINT_NAME`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Memory in MB. The share of CPU is proportional to it.
    #[serde(default = "memory")]
    #[schemars(range(min = 128, max = 10240))]
    pub memory_size: i32,
    /// Seconds that a request may take.
    #[serde(default = "seconds")]
    #[schemars(range(min = 1, max = 900))]
    pub timeout: i32,
    /// The subnets of its VPC.
    #[serde(default)]
    pub subnet_ids: Vec<String>,
    /// The security groups of its network interfaces in the VPC.
    #[serde(default)]
    pub security_group_ids: Vec<String>,
    /// Its resource policy: who may invoke it, besides the principals whose own policies allow that.
    #[serde(default)]
    pub invokers: Vec<Invoker>,
    /// The name of an existing function. It is used, and never changed or deleted.
    pub existing: Option<FunctionName>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoker {
    /// An account, the ARN of a user or role, or a service such as `s3.amazonaws.com`.
    #[schemars(regex(pattern = r"^[^\s*]+$"), extend("x-rule" = "a principal is an account, an ARN or a service; * would be everybody"))]
    pub principal: String,
    /// The ARN of the resource for which a service may invoke it.
    pub source_arn: Option<String>,
}

fn handler() -> String {
    HANDLER.to_owned()
}

fn provided() -> String {
    "provided.al2023".to_owned()
}

fn memory() -> i32 {
    128
}

fn seconds() -> i32 {
    3
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The function's name, which `invoke` takes.
    pub name: String,
    /// The function's ARN.
    pub arn: String,
    /// ARN of the role that it acts by.
    pub role: String,
    /// What runs the code.
    pub runtime: String,
    /// MB of memory.
    pub memory_size: i64,
    /// Seconds that a request may take.
    pub timeout: i64,
    /// SHA-256 of its code in base64.
    pub code_sha256: String,
}

impl Kind for Function {
    const NAME: &'static str = "function";
    const ABOUT: &'static str = "makes a Lambda function and waits until it is active";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    const READS: Reads = Reads::Names;
    type Outputs = Outputs;

    fn locals(fields: &Value) -> Vec<Local> {
        let is_named = |local: &Local| local.path != HANDLER;
        Local::of(fields, "code", LocalForm::Either).filter(is_named).into_iter().collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, invoker) in self.invokers.iter().enumerate() {
            let principal = match invoker.principal.starts_with("arn:") {
                true => aws_names::arn(&invoker.principal),
                false => aws_names::service_principal(&invoker.principal),
            };
            let source = invoker.source_arn.as_deref().and_then(aws_names::arn);
            for (field, wrong) in [("principal", principal), ("source_arn", source)] {
                problems
                    .extend(wrong.map(|wrong| Problem::of_name(format!("invokers.{index}.{field}"), wrong)));
            }
        }
        if self.existing.is_some() {
            let given = self.name.is_some() || self.role.is_some() || self.handler.is_some();
            let lists = [&self.subnet_ids, &self.security_group_ids];
            let listed = !self.environment.is_empty() || lists.iter().any(|list| !list.is_empty());
            let set = (&self.code, &self.runtime, self.memory_size, self.timeout)
                != (&handler(), &provided(), memory(), seconds());
            if given || listed || set || !self.invokers.is_empty() {
                let message = "an existing function is used as it is: it takes no other key";
                problems.push(Problem::at("existing", message));
            }
            return problems;
        }
        if self.role.is_none() {
            problems.push(Problem {
                hints: vec!["a `role` step with `service: lambda.amazonaws.com` makes one".into()],
                ..Problem::at("code", "a function acts by a role, and `role` is missing")
            });
        }
        let provided = self.runtime.starts_with("provided.");
        if provided && self.handler.is_some() {
            problems.push(Problem::at(
                "handler",
                format!("{} runs `bootstrap` and takes no handler", self.runtime),
            ));
        }
        if !provided && self.handler.is_none() {
            let message =
                format!("{} needs a `handler`, such as lambda_function.lambda_handler", self.runtime);
            problems.push(Problem::at("runtime", message));
        }
        if self.code == HANDLER && !provided {
            problems
                .push(Problem::at("runtime", format!("{HANDLER} is a program: it runs on provided.al2023")));
        }
        if self.subnet_ids.is_empty() != self.security_group_ids.is_empty() {
            let lacks = if self.subnet_ids.is_empty() { "security_group_ids" } else { "subnet_ids" };
            problems.push(Problem::at(lacks, "a VPC is given by subnets and security groups together"));
        }
        problems
    }

    fn files(&self) -> Vec<String> {
        match self.existing {
            Some(_) => Vec::new(),
            None => vec![self.code.clone()],
        }
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let zip = match &self.existing {
            Some(_) => None,
            None => {
                context.progress("packing the code", None);
                Some(tokio::task::block_in_place(|| self.package(context))?)
            }
        };
        let (code, code_sha256) = zip.unwrap_or_default();
        let wanted = resource::Function {
            name: self.name.as_ref().map(|name| name.0.clone()),
            base: context.base(),
            runtime: self.runtime.clone(),
            handler: self.handler.clone().unwrap_or_else(|| "bootstrap".into()),
            role_arn: self.role.as_ref().map(|role| role.0.clone()).unwrap_or_default(),
            code,
            code_sha256,
            environment: self.environment.clone(),
            memory_size: self.memory_size,
            timeout: self.timeout,
            vpc: (!self.subnet_ids.is_empty()).then(|| Vpc {
                subnet_ids: self.subnet_ids.clone(),
                security_group_ids: self.security_group_ids.clone(),
            }),
        };
        let held = match &self.existing {
            Some(existing) => context.existing(&wanted, &existing.0).await?,
            None => context.ensure("function", wanted).await?,
        };
        for (index, invoker) in self.invokers.iter().enumerate() {
            let permission = FunctionPermission {
                function: held.name.clone(),
                statement_id: format!("opsml-{}", index + 1),
                principal: invoker.principal.clone(),
                source_arn: invoker.source_arn.clone(),
            };
            context.ensure(&format!("invoker-{}", index + 1), permission).await?;
        }
        let number =
            |fact: &str| held.facts.get(fact).and_then(serde_json::Value::as_i64).unwrap_or_default();
        let outputs = Outputs {
            arn: held.text("arn"),
            role: held.text("role_arn"),
            runtime: held.text("runtime"),
            memory_size: number("memory_size"),
            timeout: number("timeout"),
            code_sha256: held.text("code_sha256"),
            name: held.name.clone(),
        };
        let summary = format!(
            "{} on {}, {} MB, {} s",
            held.name, outputs.runtime, outputs.memory_size, outputs.timeout
        );
        let code = self.existing.is_none().then(|| self.listing(context)).flatten();
        Ok(Done::new(outputs, summary).figures(code.into_iter().collect()))
    }
}

impl Function {
    /// Returns the zip of the code, and its SHA-256 in base64. The same code gives the same zip.
    fn package(&self, context: &Context<'_>) -> Outcome<(PathBuf, String)> {
        let zip = if self.code == HANDLER {
            let program = context.paths.handler.clone().ok_or_else(|| {
                Failure::new("NoHandler", format!("there is no {HANDLER} to send to Lambda"))
                    .hint("build it beside opsml, or name it by OPSML_HANDLER")
            })?;
            archive::zip(&[Member { name: "bootstrap".into(), path: program }])?
        } else {
            let path = context.paths.resolve(&self.code)?;
            self.zip_of(&path)?
        };
        if zip.len() > MAX_ZIP {
            let message = format!("its zip has {} bytes, and Lambda takes {MAX_ZIP}", zip.len());
            return Err(Failure::new("CodeTooLarge", message));
        }
        let digest = Sha256::digest(&zip);
        let folder = context.paths.base.join(&context.paths.cache).join("functions");
        std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, error))?;
        let path = folder.join(format!("{}.zip", hex::encode(digest)));
        std::fs::write(&path, &zip).map_err(|error| Failure::file(&path, error))?;
        Ok((path, STANDARD.encode(digest)))
    }

    /// Returns the code that was deployed as a listing: its file, of a folder the handler's module, and of opsml's own program
    /// the source of its main part. `None` if that is not text, or in a zip.
    fn listing(&self, context: &Context<'_>) -> Option<Figure> {
        if self.code == HANDLER {
            let own = context.paths.handler.as_ref()?.file_name()? == HANDLER;
            let part = HANDLER_SOURCE.find(MAIN_PART).map(|at| &HANDLER_SOURCE[at..])?;
            return own.then(|| Figure::code(format!("The main part of {HANDLER}"), "rust", part));
        }
        let path = context.paths.resolve(&self.code).ok()?;
        let path = match (path.is_dir(), self.handler.as_ref().and_then(|handler| handler.rsplit_once('.'))) {
            (true, Some((module, _))) => path.join(format!("{module}.py")),
            (true, None) => return None,
            (false, _) => path,
        };
        let mut text = String::new();
        files::open(&path).ok()?.take(MAX_LISTING).read_to_string(&mut text).ok()?;
        let language = if path.extension().is_some_and(|ending| ending == "py") { "python" } else { "text" };
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some(Figure::code(format!("The function's code, {name}"), language, text))
    }

    fn zip_of(&self, path: &Path) -> Outcome<Vec<u8>> {
        if path.is_dir() {
            let files = files_below(path)?.into_iter();
            return archive::zip(
                &files.map(|file| Member { name: file.key, path: file.path }).collect::<Vec<_>>(),
            );
        }
        if path.extension().is_some_and(|extension| extension == "zip") {
            return std::fs::read(path).map_err(|error| Failure::file(path, error));
        }
        let name = match self.runtime.starts_with("provided.") {
            true => "bootstrap".to_owned(),
            false => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        archive::zip(&[Member { name, path: path.to_owned() }])
    }
}
