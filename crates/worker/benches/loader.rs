//! How many images a second the loader makes of files: `loader FOLDER [PASSES]`, of the training images of a dataset, which are not
//! kept in memory. `benches/compare/loader.py` sets it beside torchvision's.

use std::path::Path;
use std::thread;
use std::time::Instant;

use opsml_contract::Transform;
use opsml_worker::dataset::Dataset;
use opsml_worker::error::Result;
use opsml_worker::loader::Split;

const BATCH: usize = 32;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("loader FOLDER [PASSES]");
    let passes: u32 = arguments.next().map_or(1, |passes| passes.parse().expect("a number of passes"));
    let cases = [
        ("random crops at 224", Some(Transform::RandomResizedCrop), 224),
        ("whole at 224", None, 224),
        ("whole at 32", None, 32),
    ];
    for (name, transform, size) in cases {
        let split = Split::open(Dataset::open(Path::new(&folder))?.train, transform, size, &mut 0)?;
        let began = Instant::now();
        for epoch in 0..passes {
            let order = split.shuffled(42, epoch);
            let batches: Vec<&[usize]> = order.chunks(BATCH).collect();
            thread::scope(|scope| {
                split.batches(scope, &batches, 42, epoch).try_for_each(|batch| batch.map(drop))
            })?;
        }
        let images = split.len() * passes as usize;
        println!("{name}: {:.1}", images as f64 / began.elapsed().as_secs_f64());
    }
    Ok(())
}
