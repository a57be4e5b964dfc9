//! `import`: a first runbook of a notebook that calls SageMaker's Python SDK.

use opsml::runbook::yaml;
use serde_json::{Value, json};

use crate::env::{Env, Ran};

/// Writes a notebook of these cells: `md` or `code`, and the source.
/// Writes the files that the notebooks name beside them.
fn with_files(env: &Env) {
    for script in ["scripts/hpo.py", "code/train.py", "code/hpo.py", "code/a.py", "code/inference.py"] {
        env.write(script, "torch.jit.script(model).save(path)\n");
    }
    for image in ["pictures/a.png", "my birds/a.png", "image.jpg"] {
        env.write(image, "a");
    }
}

fn notebook(env: &Env, name: &str, cells: &[(&str, &str)]) {
    let cell = |(kind, source): &(&str, &str)| {
        let lines: Vec<&str> = source.split_inclusive('\n').collect();
        match *kind {
            "md" => json!({"cell_type": "markdown", "metadata": {}, "source": lines}),
            kind => {
                json!({"cell_type": kind, "metadata": {}, "source": lines, "outputs": [], "execution_count": 1})
            }
        }
    };
    let cells: Vec<Value> = cells.iter().map(cell).collect();
    let notebook = json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4});
    env.write(name, notebook.to_string());
}

/// Returns the fields of a step of a runbook.
#[track_caller]
fn step(runbook: &str, id: &str) -> Value {
    let opening = format!("```opsml {id}\n");
    let start =
        runbook.find(&opening).unwrap_or_else(|| panic!("no step {id} in\n{runbook}")) + opening.len();
    let end = start + runbook[start..].find("```").unwrap();
    let node = yaml::parse(runbook, start..end, &mut Vec::new()).unwrap();
    let Value::Object(block) = node.to_value() else { panic!("{runbook}") };
    block.into_iter().next().unwrap().1
}

fn ids(runbook: &str) -> Vec<&str> {
    runbook.lines().filter_map(|line| line.strip_prefix("```opsml ")).collect()
}

/// A course's project in version 2 of the SDK, as people write it.
const COURSE: &[(&str, &str)] = &[
    ("md", "# Birds in the garden\n\nA classifier of **birds**, from pictures to an endpoint.\n"),
    (
        "code",
        "%%capture\n!pip install smdebug\nimport json, os\nimport boto3\nimport sagemaker\nfrom sagemaker.pytorch import PyTorch as Torch, PyTorchModel\n\
              from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner\n\
              session = sagemaker.Session()\nbucket = session.default_bucket()\nrole = sagemaker.get_execution_role()\nprint(f\"{bucket} {role}\")\n",
    ),
    ("md", "## Data\n\nThe rates are {{ not ours }}.\n"),
    (
        "code",
        "!wget -nc https://example.com/sets/birds.zip?v=2\n!unzip -q birds.zip\nprefix = 'garden'\n!aws s3 sync ./birds s3://{bucket}/{prefix}/ --quiet",
    ),
    ("code", "for kind in os.listdir('birds'):\n    print(kind)\nimages = len(os.listdir('birds'))"),
    (
        "code",
        "ranges = {\n    'lr': ContinuousParameter(0.001, 0.1, scaling_type='Logarithmic'),  # the rate\n    \"batch-size\": CategoricalParameter([32, 64]),\n}\n\
              metrics = [{\"Name\": \"loss\", \"Regex\": \"Testing loss: ([0-9\\\\.]+)\"}]\n\
              common = dict(role=role, framework_version='1.13', py_version='py39', instance_type=\"ml.\" + \"g4dn.xlarge\")\n\
              estimator = Torch(entry_point='scripts/hpo.py', instance_count=1, hyperparameters={'lr': 1, 'epochs': 2 * 3}, rules=[1], **common)\n\
              tuner = HyperparameterTuner(estimator, 'loss', ranges, metrics, max_jobs=4, max_parallel_jobs=2, objective_type='Minimize')\n\
              tuner.fit({'training': 's3://{}/garden'.format(bucket)}, wait=True)\n",
    ),
    (
        "code",
        "best = tuner.best_estimator()\nfound = best.hyperparameters()\nhyperparameters = {'lr': float(found['lr']), 'batch-size': int(found['batch-size'].replace('\"', ''))}\n\
              hyperparameters['epochs'] = 10",
    ),
    (
        "code",
        "model_trainer = Torch('train.py', source_dir='./code/', hyperparameters=hyperparameters, instance_count=2,\n    output_path=f's3://{bucket}/models', **common)\n\
              model_trainer.fit({'train': f's3://{bucket}/garden/train', 'valid': os.path.join('s3://', bucket, 'other')}); print('trained')",
    ),
    (
        "code",
        "model = PyTorchModel(model_data=model_trainer.model_data, role=role, entry_point='inference.py', framework_version='1.13', py_version='py39')\n\
              predictor = model.deploy(initial_instance_count=1, instance_type='ml.m5.large')\nwith open('x.jpg', 'rb') as file:\n    payload = file.read()",
    ),
    (
        "code",
        "response = predictor.predict(payload, initial_args={'ContentType': 'image/jpeg'})\nprint(response)\npredictor.delete_endpoint()",
    ),
];

#[test]
fn a_course_in_version_2_of_the_sdk() {
    let env = Env::new();
    with_files(&env);
    notebook(&env, "course.ipynb", COURSE);
    let ran = env.opsml(["import", "course.ipynb"]).code(0).says("wrote course.md: 8 steps of 10 cells");
    let runbook = env.read("course.md");
    assert!(runbook.starts_with("---\ntitle: \"Birds in the garden\"\n---\n"), "{runbook}");
    assert_eq!(ids(&runbook), ["bucket", "role", "data", "images", "tune", "train", "deploy", "predict"]);
    assert_eq!(step(&runbook, "data"), json!({"source": "https://example.com/sets/birds.zip?v=2"}));
    assert_eq!(
        step(&runbook, "images"),
        json!({"source": "{{ data.path }}", "to": "s3://{{ bucket.name }}/garden"})
    );
    assert_eq!(
        step(&runbook, "tune"),
        json!({
            "estimator": {
                "entry_point": "hpo.py", "source_dir": "scripts", "framework_version": "1.13", "py_version": "py39",
                "role": "{{ role.arn }}", "instance_type": "ml.g4dn.xlarge", "instance_count": 1,
                "inputs": {"training": "{{ images.uri }}"}, "output_path": "{{ bucket.uri }}/models",
                "hyperparameters": {"epochs": 6},
                "metric_definitions": [{"name": "loss", "regex": "Testing loss: ([0-9\\.]+)"}],
            },
            "objective_metric_name": "loss", "objective_type": "Minimize",
            "hyperparameter_ranges": {
                "lr": {"continuous": [0.001, 0.1], "scaling": "Logarithmic"}, "batch-size": {"categorical": [32, 64]},
            },
            "max_jobs": 4, "max_parallel_jobs": 2,
        })
    );
    let train = step(&runbook, "train");
    assert_eq!(
        (&train["entry_point"], &train["source_dir"], &train["instance_count"]),
        (&json!("train.py"), &json!("code"), &json!(2))
    );
    assert_eq!(
        train["hyperparameters"],
        json!({"lr": "{{ tune.best.lr }}", "batch-size": "{{ tune.best[\"batch-size\"] }}", "epochs": 10})
    );
    assert_eq!(train["inputs"]["train"], "{{ images.uri }}train");
    assert_eq!(train["output_path"], "s3://{{ bucket.name }}/models");
    let deploy = step(&runbook, "deploy");
    assert_eq!(
        (&deploy["model_data"], &deploy["instance_type"]),
        (&json!("{{ train.model_uri }}"), &json!("ml.m5.large"))
    );
    assert_eq!(
        deploy["image"],
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:1.13-cpu-py39"
    );
    assert_eq!(
        step(&runbook, "predict"),
        json!({"endpoint": "{{ deploy.endpoint_name }}", "image": "{{ data.samples[data.classes[0]] }}"})
    );
    // What is prose stays, and is no template.
    assert!(
        runbook.contains("A classifier of **birds**") && runbook.contains("{% raw %}\n## Data"),
        "{runbook}"
    );
    // Of each cell, what was not read.
    for note in [
        "cell 5, line 1: `for kind in os.listdir('birds'):`: a block, which is not read",
        "cell 5: line 3: other Python",
        "`rules` of `PyTorch(…)` has no field in a `train` step",
        "cell 9, line 3: `with open('x.jpg', 'rb') as file:`: a block",
        "cell 10, line 3: `.delete_endpoint(…)` is not here: `opsml down`",
        "course.md: 8 steps, no problems",
    ] {
        assert!(ran.stdout.contains(note), "no `{note}` in\n{}", ran.stdout);
    }
    for read in ["cell 1", "cell 2", "cell 3", "cell 4", "cell 7"] {
        assert!(
            !ran.stdout.contains(&format!("{read}:")) && !ran.stdout.contains(&format!("{read},")),
            "{}",
            ran.stdout
        );
    }
    env.opsml(["check", "course.md"]).code(0);
    env.opsml(["import", "course.ipynb"]).code(2).complains("course.md exists already");
    assert_eq!(env.read("course.md"), runbook);
}

/// Version 3 of the SDK: `ModelTrainer`, `InputData`, `ModelBuilder`.
#[test]
fn a_notebook_in_version_3_of_the_sdk() {
    let env = Env::new();
    with_files(&env);
    notebook(
        &env,
        "three.ipynb",
        &[
            (
                "code",
                "from sagemaker.core.helper.session_helper import Session\nfrom sagemaker.core import image_uris\n\
                      from sagemaker.train import ModelTrainer\nfrom sagemaker.core.training.configs import Compute, InputData, SourceCode\n\
                      from sagemaker.train.tuner import HyperparameterTuner\nfrom sagemaker.core.parameter import IntegerParameter\nfrom sagemaker.serve.model_builder import ModelBuilder\n\
                      session = Session()\nrole = 'arn:aws:iam::123456789012:role/service-role/notebook'\n\
                      inputs = session.upload_data('pictures', key_prefix='pictures')\n\
                      image = image_uris.retrieve('pytorch', 'us-east-1', version='2.5', py_version='py311', image_scope='training', instance_type='ml.m5.large')\n",
            ),
            (
                "code",
                "trainer = ModelTrainer(\n    sagemaker_session=session, role=role, training_image=image, base_job_name='colours',\n\
                      \x20   source_code=SourceCode(source_dir='code', entry_script='hpo.py'),\n    compute=Compute(instance_type='ml.m5.large', instance_count=2),\n\
                      \x20   hyperparameters={'epochs': 5, 'rate': 1e-3, 'deep': True, 'name': None},\n)\n\
                      training = InputData(channel_name='training', data_source=inputs)\ntrainer.train(input_data_config=[training], wait=True)\n\
                      tuner = HyperparameterTuner(model_trainer=trainer, objective_metric_name='loss', hyperparameter_ranges={'epochs': IntegerParameter(1, 9)}, max_jobs=2)\n\
                      tuner.tune(inputs=[training])\n",
            ),
            (
                "code",
                "builder = ModelBuilder(role_arn=role, s3_model_data_url=trainer._latest_training_job.model_artifacts.s3_model_artifacts)\n\
                      builder.build(model_name='colours')\nendpoint = builder.deploy(endpoint_name='colours', initial_instance_count=1, instance_type='ml.m5.large')\n\
                      answer = endpoint.invoke(body=open('a.jpg', 'rb').read())\nendpoint.delete()",
            ),
        ],
    );
    let ran = env.opsml(["import", "three.ipynb"]).code(0);
    let runbook = env.read("three.md");
    assert_eq!(ids(&runbook), ["bucket", "images", "train", "tune", "deploy", "predict"], "{}", ran.stdout);
    assert!(
        runbook
            .starts_with("---\ntitle: \"three\"\nparams:\n  image: {default: \"image.jpg\", help: \"the image to predict\"}\n---\n"),
        "{runbook}"
    );
    assert_eq!(
        step(&runbook, "train"),
        json!({
            "entry_point": "hpo.py", "source_dir": "code", "framework_version": "2.5", "py_version": "py311",
            "role": "arn:aws:iam::123456789012:role/service-role/notebook", "instance_type": "ml.m5.large", "instance_count": 2,
            "inputs": {"training": "{{ images.uri }}"}, "output_path": "{{ bucket.uri }}/models",
            "hyperparameters": {"epochs": 5, "rate": 0.001, "deep": true, "name": null},
        })
    );
    assert_eq!(step(&runbook, "tune")["hyperparameter_ranges"], json!({"epochs": {"integer": [1, 9]}}));
    let estimator = &step(&runbook, "tune")["estimator"];
    assert!(estimator["hyperparameters"].get("epochs").is_none());
    // The SDK leaves it to SageMaker to find that the metric has no pattern.
    assert_eq!(
        estimator["metric_definitions"],
        json!([{"name": "loss", "regex": "loss[=: ]+([0-9.eE+-]+)"}])
    );
    assert!(ran.stdout.contains("cell 2, line 10: no metric definition has `loss`"), "{}", ran.stdout);
    assert_eq!(
        step(&runbook, "deploy"),
        json!({
            "model_data": "{{ train.model_uri }}", "role": "arn:aws:iam::123456789012:role/service-role/notebook",
            "instance_type": "ml.m5.large", "initial_instance_count": 1, "endpoint_name": "colours",
        })
    );
    assert_eq!(step(&runbook, "predict")["image"], "{{ params.image }}");
}

/// A value that only the run of the notebook knows becomes a parameter, which the message names.
#[test]
fn what_is_not_known_becomes_a_parameter() {
    let env = Env::new();
    with_files(&env);
    notebook(
        &env,
        "n.ipynb",
        &[
            (
                "code",
                "kind = os.environ['KIND']\nepochs = max(3, 4)\nest = sagemaker.pytorch.PyTorch('train.py', role=find_role(), instance_type=kind,\n  hyperparameters={'epochs': epochs, 'lr': 0.1})\n\
                      est.fit(where())\nest.deploy(1, 'ml.m5.large').predict(1)\nsession.upload_data('/data/birds', 'my-birds', 'birds')",
            ),
            (
                "code",
                "t = sagemaker.tuner.HyperparameterTuner(est, 'm', {'lr': sagemaker.tuner.ContinuousParameter(0, 1)})\nt.fit()\nt.deploy(initial_instance_count=1, instance_type='ml.m5.large')\nsagemaker.sklearn.SKLearn('x.py').fit()",
            ),
            (
                "code",
                "def image(scope):\n    return lookup(scope)\nModelTrainer(training_image=image('training'), source_code=SourceCode(source_dir='code', entry_script='a.py'), compute=Compute(instance_type='ml.m5.large')).train()\n\
                      ModelBuilder(image_uri=image('inference'), source_code=SourceCode(entry_script='inference.py'), s3_model_data_url='s3://b-1/m.tar.gz').deploy(instance_type='ml.g5.xlarge')",
            ),
        ],
    );
    let ran = env.opsml(["import", "n.ipynb"]).code(0);
    let runbook = env.read("n.md");
    let train = step(&runbook, "train");
    assert_eq!(
        (&train["instance_type"], &train["inputs"]),
        (&json!("{{ params.kind }}"), &json!({"training": "{{ bucket.uri }}/training"}))
    );
    assert_eq!(train["hyperparameters"], json!({"lr": 0.1}));
    assert_eq!(train["source_dir"], "code");
    for note in [
        "cell 1, line 5: the instance type is not known: the parameter `kind` stands for it, which is `ml.m5.xlarge` until you set it",
        "the hyperparameter `epochs` is not known, and is left out",
        "where the data of the channel `training` is in S3 is not known",
        "move `train.py` into the folder `code`",
        "2.5 and py311 stand for them",
        "cell 2, line 3: the best trial becomes a training of its own",
        "cell 2, line 4: `SKLearn(…)` has no step",
    ] {
        assert!(ran.stdout.contains(note), "no `{note}` in\n{}", ran.stdout);
    }
    assert_eq!(step(&runbook, "train_2")["hyperparameters"], "{{ tune.best }}");
    assert_eq!(step(&runbook, "deploy_2")["model_data"], "{{ train_2.model_uri }}");
    // An image that only a run knows is AWS's own, where there is a script.
    let train = step(&runbook, "train_3");
    assert_eq!(
        (train.get("image"), &train["framework_version"], &train["py_version"]),
        (None, &json!("2.5"), &json!("py311"))
    );
    let image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.5-gpu-py311";
    let deploy = step(&runbook, "deploy_3");
    assert_eq!((&deploy["image"], &deploy["model_data"]), (&json!(image), &json!("s3://b-1/m.tar.gz")));
    env.opsml(["check", "n.md"]).code(0);
}

/// A bucket to which the notebook uploads is one of the runbook's own; the role may use the others.
#[test]
fn buckets_by_their_names() {
    let env = Env::new();
    with_files(&env);
    notebook(
        &env,
        "b.ipynb",
        &[
            (
                "code",
                "%%sh\n# the pictures\naws s3 cp --recursive 'my birds' s3://birds-of-mine/ && ls\naws s3 cp a.txt s3://birds-of-mine/a.txt\nmake all",
            ),
            (
                "code",
                "from sagemaker.estimator import Estimator\nfrom sagemaker.inputs import TrainingInput\nfrom sagemaker import get_execution_role\n\
             e = Estimator('123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1', get_execution_role(), 1, 'ml.m5.large', output_path='s3://birds-of-mine/out')\n\
             e.set_hyperparameters(epochs=1)\ne.fit({'training': TrainingInput('s3://birds-of-mine/train'), 'more': 's3://public-birds/x'})",
            ),
        ],
    );
    let ran = env.opsml(["import", "b.ipynb"]).code(0);
    let runbook = env.read("b.md");
    assert_eq!(step(&runbook, "images"), json!({"source": "my birds", "to": "{{ bucket.uri }}/data"}));
    let train = step(&runbook, "train");
    assert_eq!(train["inputs"], json!({"training": "{{ images.uri }}train", "more": "s3://public-birds/x"}));
    assert_eq!(
        (&train["output_path"], &train["hyperparameters"]),
        (&json!("{{ bucket.uri }}/out"), &json!({"epochs": 1}))
    );
    assert_eq!(
        step(&runbook, "role")["allow"][0]["resources"],
        json!(["{{ bucket.arn }}", "arn:aws:s3:::public-birds"])
    );
    for note in [
        "the bucket `birds-of-mine` becomes the step `bucket`",
        "goes below data/",
        "cell 1, line 4: `aws s3 cp` of a single file",
        "cell 1, line 5: the shell command `make` is not here",
    ] {
        assert!(ran.stdout.contains(note), "no `{note}` in\n{}", ran.stdout);
    }
}

/// The runbook does what the notebook did: it runs on the local cloud.
#[test]
fn an_imported_upload_runs() {
    let env = Env::new();
    env.write("pictures/a.txt", "a");
    notebook(
        &env,
        "r.ipynb",
        &[
            ("md", "# R\nIt goes up."),
            (
                "code",
                "import sagemaker\ns = sagemaker.Session()\nuri = s.upload_data(path='./pictures/', key_prefix='p/q')\nuri",
            ),
        ],
    );
    env.opsml(["import", "r.ipynb"]).code(0);
    env.opsml(["run", "r.md"]).code(0).says("done: 2 steps ran");
    env.opsml(["show", "r.md", "images"]).code(0).says("/p/q/");
}

#[test]
fn hostile_notebooks_are_refused_or_read() {
    let env = Env::new();
    with_files(&env);
    for (content, said) in [
        ("", "it is no notebook"),
        ("\u{0}\u{1}", "it is no notebook"),
        ("[1, 2]", "no list `cells`"),
        (&"[".repeat(100_000), "it is no notebook"),
        (&format!("{{\"cells\": {}1{}}}", "[".repeat(5000), "]".repeat(5000)), "it is no notebook"),
        ("{\"nbformat\": 3, \"worksheets\": []}", "older than 4"),
    ] {
        env.write("h.ipynb", content);
        env.opsml(["import", "h.ipynb"]).code(2).complains(said);
    }
    env.opsml(["import", "none.ipynb"]).code(2).complains("none.ipynb: No such file");
    env.opsml(["import", "."]).code(2);
    let deep = format!("x = {}1{}", "(".repeat(50_000), ")".repeat(50_000));
    let calls = "predictor.predict(1)\n".repeat(3000);
    let calls = format!("predictor = sagemaker.predictor.Predictor('e')\n{calls}");
    let doubled = format!("a = ['x']\n{}", "a = [a, a]\n".repeat(200));
    let huge = "y".repeat(2 << 20);
    let prose = "``` opsml a\nbucket: {}\n\n<!-- {% endraw %} {{";
    env.write(
        "h.ipynb",
        json!({"nbformat": 4, "metadata": [], "cells": [
            null, 3, [], {}, {"cell_type": "code"}, {"cell_type": "code", "source": [null]}, {"cell_type": "markdown", "source": {"a": 1}},
            {"cell_type": "code", "source": deep}, {"cell_type": "code", "source": calls}, {"cell_type": "code", "source": doubled},
            {"cell_type": "code", "source": huge}, {"cell_type": "code", "source": "f'{\n'''\n\\\u{1f600}\n%%\n!\n$\n\"\"\""},
            {"cell_type": "markdown", "source": prose}, {"cell_type": "code", "source": "!aws s3\n!wget\n!unzip\n!aws s3 sync\n%%bash"},
            {"cell_type": "code", "source": "sagemaker.tuner.HyperparameterTuner().fit()\nsagemaker.pytorch.PyTorch().fit()\nPyTorchModel().deploy()"},
        ]})
        .to_string(),
    );
    let ran: Ran = env.opsml(["import", "h.ipynb"]);
    assert!(ran.code == 0, "{} {}", ran.stdout, ran.stderr);
    for note in [
        "cell 1: it is no cell",
        "cell 8, line 1: ",
        "has 500 steps, and no more are read",
        "cell 11: it has more than",
        "cell 15, line 1: the tuner's estimator",
    ] {
        assert!(ran.stdout.contains(note), "no `{note}` in\n{}", ran.stdout);
    }
    // An export has its values in the place of its templates.
    env.write("a.md", "```opsml a\ncommand:\n  run: [echo]\n```\n");
    env.opsml(["export", "a.md"]).code(0);
    env.opsml(["import", "a.ipynb"]).code(2).complains("`opsml export` made it of a.md");
}
