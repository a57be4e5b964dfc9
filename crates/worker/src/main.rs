//! placeholder
fn main() { println!("{:?}", opsml_worker::f().double_value(&[])) }
