//! `.pth` files: what was written can be read, and no file does harm.

use std::io::{Cursor, Write};

use opsml_worker::pth;
use opsml_worker::state_dict::{Array, StateDict};
use safetensors::Dtype;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn sample() -> StateDict {
    let array = |dtype, shape: &[usize], bytes: usize| Array {
        dtype,
        shape: shape.to_vec(),
        bytes: (0..bytes).map(|byte| byte as u8).collect(),
    };
    vec![
        ("conv.weight".to_owned(), array(Dtype::F32, &[2, 3, 1, 1], 24)),
        ("bn.num_batches_tracked".to_owned(), array(Dtype::I64, &[], 8)),
        ("empty".to_owned(), array(Dtype::F32, &[0, 4], 0)),
    ]
}

fn written() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    pth::write(&sample(), &mut file).unwrap();
    file.into_inner()
}

/// Returns a file with this pickle and one storage of 8 bytes.
fn with_pickle(pickle: &[u8], compression: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(compression);
    for (name, bytes) in [("archive/data.pkl", pickle), ("archive/data/0", &[1; 8])] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn refusal(pickle: &[u8]) -> String {
    pth::read(&with_pickle(pickle, CompressionMethod::Stored)).unwrap_err()
}

/// Returns the pickle of a dict with one tensor of storage 0, which has this offset, shape and stride.
fn one_tensor(offset: u8, size: &[u8], stride: &[u8]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ".to_vec();
    pickle.extend([b'K', offset, b'(']);
    pickle.extend(size);
    pickle.extend(b"t(");
    pickle.extend(stride);
    pickle.extend(b"t\x89}tRs.");
    pickle
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(pth::read(&written()).unwrap(), sample());
}

#[test]
fn strides_are_followed_and_nothing_outside_a_storage_is_read() {
    let read =
        pth::read(&with_pickle(&one_tensor(1, b"K\x01", b"K\x01"), CompressionMethod::Stored)).unwrap();
    assert_eq!(read[0].1.shape, [1]);
    for pickle in [
        one_tensor(1, b"K\x02", b"K\x01"),
        one_tensor(0, b"K\x02", b"K\x02"),
        one_tensor(2, b"", b""),
        one_tensor(0, b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f", b"K\x00K\x00"),
        one_tensor(0, b"J\xff\xff\xff\xff", b"K\x01"),
        one_tensor(0, b"J\0\0\0\x10", b"K\x00"),
    ] {
        assert!(
            refusal(&pickle).contains("w:") || refusal(&pickle).contains("negative"),
            "{}",
            refusal(&pickle)
        );
    }
}

#[test]
fn hostile_pickles_are_refused_with_a_reason() {
    assert!(refusal(b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R.").contains("os.system"));
    assert!(refusal(b"\x80\x02cbuiltins\neval\n.").contains("builtins.eval"));
    assert!(refusal(b"\x80\x02cposix\nsystem\n\x81.").contains("posix.system"));
    assert!(refusal(b"\x80\x02I1\n.").contains("instruction"));
    assert!(refusal(&[b"\x80\x02)".to_vec(), vec![0x85; 1_000_000]].concat()).contains("nested too deeply"));
    assert!(refusal(&[b")".to_vec(), vec![b'('; 5_000_000]].concat()).contains("too many values"));
    assert!(refusal(b"\x80\x02X\xff\xff\xff\xff").contains("ends too early"));
    assert!(refusal(b"\x80\x02)r\xff\xff\xff\xff.").contains("memo"));
    assert!(refusal(b"\x80\x02K\x01.").contains("state_dict"));
    let compressed = with_pickle(&one_tensor(0, b"K\x02", b"K\x01"), CompressionMethod::Deflated);
    assert!(pth::read(&compressed).unwrap_err().contains("compressed"));
}

#[test]
fn no_truncation_and_no_flipped_byte_panics() {
    let whole = written();
    for end in 0..whole.len() {
        let _ = pth::read(&whole[..end]);
        let mut flipped = whole.clone();
        flipped[end] ^= 0xff;
        let _ = pth::read(&flipped);
    }
}
