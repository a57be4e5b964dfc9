//! Several processes that compute together. Their gradients equal those of one process, and none waits for ever.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use opsml_contract::{Arch, Hyperparameters, ModelManifest};
use opsml_worker::container::Container;
use opsml_worker::instances::Instances;
use opsml_worker::optimizer::Optimizer;
use opsml_worker::process_group::{Membership, ProcessGroup};
use opsml_worker::resnet::ResNet;
use opsml_worker::state_dict::{self, Array, StateDict};
use tch::{Device, Kind, Tensor};

use crate::cluster::{Port, Processes, configure_rank, meet_at};

/// Environment variables: the task of a process that these tests start, and its folder.
const TASK: &str = "OPSML_TEST_TASK";
const FOLDER: &str = "OPSML_TEST_FOLDER";

/// Images of a whole batch. 2 processes can share them evenly, and so can 3.
const IMAGES: i64 = 12;
const CLASSES: i64 = 3;

fn model() -> ResNet {
    let classes = (0..CLASSES).map(|class| class.to_string()).collect();
    let manifest = ModelManifest {
        arch: Arch::Resnet18,
        head_hidden: 16,
        image_size: 64,
        classes,
        agrees_in_bf16: false,
    };
    ResNet::new(&manifest, Device::Cpu).unwrap()
}

fn read(path: &Path) -> StateDict {
    state_dict::from_safetensors(&std::fs::read(path).unwrap()).unwrap()
}

fn write(path: &Path, state: &StateDict) {
    std::fs::write(path, state_dict::to_safetensors(state, None).unwrap()).unwrap();
}

fn write_all(path: &Path, tensors: Vec<Tensor>) {
    let named =
        |(number, tensor): (usize, &Tensor)| (format!("{number:03}"), Array::from_tensor(tensor).unwrap());
    write(path, &tensors.iter().enumerate().map(named).collect());
}

/// Returns the gradients of the mean loss over some of the images, averaged over `instances`.
fn gradients(folder: &Path, images: [i64; 2], head_only: bool, instances: &Instances<'_>) -> Vec<Tensor> {
    let model = model();
    model.load(&read(&folder.join("weights")), false).unwrap();
    if head_only {
        model.freeze_backbone();
    }
    let optimizer = Optimizer::new(&Hyperparameters::default(), 1, model.parameters(head_only)).unwrap();
    let [first, count] = images;
    let all = read(&folder.join("images"))[0].1.to_tensor().unwrap();
    let images = all.narrow(0, first, count);
    let logits = match head_only {
        true => model.head(&model.still(Kind::Float).unwrap().features(&images).unwrap()),
        false => model.learn(&images, Kind::Float),
    };
    let logits = logits.unwrap();
    let labels = Tensor::arange_start(first, first + count, (Kind::Int64, Device::Cpu)).remainder(CLASSES);
    let gradients = optimizer.backward(&logits.cross_entropy_for_logits(&labels)).unwrap();
    instances.average(&gradients).unwrap();
    gradients
}

fn spawn_rank(task: &str, rank: usize, size: usize, port: &Port, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "group::a_process_of_these_tests", "--ignored", "--nocapture"]);
    command.env(TASK, format!("{task} {rank} {size}")).env(FOLDER, folder).env("OMP_NUM_THREADS", "1");
    meet_at(&mut command, port);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn spawn_ranks(task: &str, size: usize, port: &Port, folder: &Path) -> Processes {
    Processes((0..size).map(|rank| spawn_rank(task, rank, size, port, folder)).collect())
}

fn member(rank: usize, size: usize, port: u16, timeout: Duration) -> Membership {
    Membership { host: "127.0.0.1".to_owned(), port, rank, size, interface: "lo".to_owned(), timeout }
}

#[test]
#[ignore = "the others start it"]
fn a_process_of_these_tests() {
    let Ok(task) = std::env::var(TASK) else { return };
    let [task, rank, size] = task.split(' ').collect::<Vec<_>>()[..] else { panic!("{task}") };
    let (rank, size): (usize, usize) = (rank.parse().unwrap(), size.parse().unwrap());
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder);
    if task == "freeze" {
        let port = std::env::var("MASTER_PORT").unwrap().parse().unwrap();
        let group = ProcessGroup::join(&member(rank, size, port, Duration::from_secs(3))).unwrap();
        group.barrier().unwrap();
        if rank == 1 {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP).unwrap();
            // The signal may arrive a little later.
            loop {
                std::thread::park();
            }
        }
        let why = group.sum(&[Tensor::ones([1000], tch::kind::FLOAT_CPU)]).unwrap_err();
        std::fs::write(folder.join("why"), why).unwrap();
        return;
    }
    let stop = AtomicBool::new(false);
    let each = IMAGES / size as i64;
    if task == "alone" {
        let alone = Instances::join(&Container::new(folder), &stop).unwrap();
        // In eval mode batch norm treats each image by itself, so one batch gives the same gradients as several.
        write_all(&folder.join(format!("true-alone-{size}")), gradients(folder, [0, IMAGES], true, &alone));
        // In train mode it uses the batch's statistics, so one process computes each process's batch and takes the
        // mean.
        let micro: Vec<_> =
            (0..size as i64).map(|rank| gradients(folder, [rank * each, each], false, &alone)).collect();
        let mean = |number: usize| {
            micro.iter().map(|gradients| gradients[number].shallow_clone()).sum::<Tensor>() / size as f64
        };
        write_all(&folder.join(format!("false-alone-{size}")), (0..micro[0].len()).map(mean).collect());
        return;
    }
    let base = folder.join(format!("rank-{rank}"));
    configure_rank(&base, rank, size);
    let instances = Instances::join(&Container::new(base), &stop).unwrap();
    for head_only in [true, false] {
        let averaged = gradients(folder, [rank as i64 * each, each], head_only, &instances);
        write_all(&folder.join(format!("{head_only}-{rank}-{size}")), averaged);
    }
    instances.leave().unwrap();
}

/// Every process computes on one core. With more, sums are added in another order, which changes their last digits.
/// Where that moves a value over 0, ReLU's gradient jumps.
#[test]
fn the_gradients_of_several_processes_are_those_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = model();
    let images = Tensor::rand([IMAGES, 3, 64, 64], tch::kind::FLOAT_CPU);
    // After this, batch norm's statistics differ from those of a new model.
    let _ = whole.learn(&images, Kind::Float).unwrap();
    write(&folder.join("weights"), &whole.state_dict().unwrap());
    write(&folder.join("images"), &vec![("images".to_owned(), Array::from_tensor(&images).unwrap())]);

    for size in [2, 3] {
        let port = Port::reserve();
        let mut processes = spawn_ranks("gradients", size, &port, folder);
        processes.0.push(spawn_rank("alone", 0, size, &port, folder));
        for output in processes.end() {
            assert!(output.status.success(), "{output:?}");
        }
        for head_only in [true, false] {
            let of = |who: &str| read(&folder.join(format!("{head_only}-{who}-{size}")));
            let (first, alone) = (of("0"), of("alone"));
            assert_eq!(first.len(), alone.len());
            let mut largest: f64 = 0.0;
            for ((name, gradient), (_, expected)) in first.iter().zip(&alone) {
                let [gradient, expected] = [gradient, expected].map(|array| array.to_tensor().unwrap());
                let difference = (&gradient - &expected).abs().max().double_value(&[]);
                assert!(
                    difference <= 1e-5,
                    "head alone {head_only}, {size} processes, tensor {name}: {difference}"
                );
                largest = largest.max(expected.abs().max().double_value(&[]));
            }
            assert!(largest > 1e-3, "head alone {head_only}: all gradients are near 0");
            for rank in 1..size {
                assert!(
                    of(&rank.to_string()) == first,
                    "head alone {head_only}: rank {rank} of {size} has other gradients"
                );
            }
        }
    }
}

#[test]
fn a_frozen_process_is_waited_for_until_the_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let mut ranks = spawn_ranks("freeze", 2, &Port::reserve(), folder.path());
    let _frozen = Processes(ranks.0.split_off(1));
    let output = ranks.end().remove(0);
    assert!(output.status.success(), "{output:?}");
    let why = std::fs::read_to_string(folder.path().join("why")).unwrap();
    assert!(why.contains("Timed out"), "{why}");
}

#[test]
fn what_keeps_processes_from_meeting_is_named() {
    let why = |member: Membership| ProcessGroup::join(&member).map(|_| ()).unwrap_err();
    let port = Port::reserve();
    let second = Duration::from_secs(1);
    let alone = why(member(0, 2, port.number(), second));
    assert!(alone.contains("1/2 clients joined"), "{alone}");
    let nobody = why(member(1, 2, port.number(), second));
    assert!(nobody.contains("127.0.0.1"), "{nobody}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = why(member(0, 2, taken.local_addr().unwrap().port(), second));
    assert!(busy.contains("in use"), "{busy}");
    let unknown = why(Membership { interface: "none0".to_owned(), ..member(0, 1, port.number(), second) });
    assert!(unknown.contains("none0"), "{unknown}");
}
