//! Reads the part of Python's pickle format that a state dict needs, without executing anything.
//!
//! A pickle is a program. This reader has only the instructions and names that `torch.save` writes for a dict of tensors, and
//! refuses every other one. It can create only the values below.
//! Instructions: CPython's `Lib/pickletools.py`. Names: PyTorch's `torch/_weights_only_unpickler.py`.

use std::rc::Rc;

/// The deepest nesting that is accepted: more than any state dict has. It limits the recursion when a value is dropped.
const MAX_DEPTH: u8 = 16;
/// The most values on the stack and in the memo: more than any state dict has.
const MAX_VALUES: usize = 4_000_000;

/// The place of a tensor's values in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// `FloatStorage`, `LongStorage`, …
    pub class: Rc<str>,
    /// The storage's name in the file.
    pub key: Rc<str>,
    /// The number of elements, as the pickle declares it.
    pub elements: u64,
}

/// A view of a storage. Sizes, strides and the offset are numbers of elements.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorView {
    pub storage: Storage,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
}

#[derive(Clone, Debug)]
enum Value {
    Mark,
    /// `None`, booleans and floats, which are accepted and not used.
    Other,
    Int(i64),
    Text(Rc<str>),
    Global(Global),
    Tuple(Rc<[Value]>, u8),
    Storage(Storage),
    Tensor(Rc<TensorView>),
    /// A dict, and the first of its keys whose value isn't a tensor. Such a key is accepted only in the metadata that `BUILD`
    /// drops.
    Dict(Views, Option<Rc<str>>),
    List,
}

#[derive(Clone, Debug)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageClass(Rc<str>),
}

/// Names and their tensors, in the pickle's order.
pub type Views = Vec<(Rc<str>, Rc<TensorView>)>;

/// Reads a pickle whose value is a dict from names to tensors.
pub fn read_state_dict(bytes: &[u8]) -> Result<Views, String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new() };
    match machine.run()? {
        Value::Dict(entries, None) => Ok(entries),
        Value::Dict(_, Some(name)) => {
            Err(format!("its entry {name:?} isn't a tensor: save model.state_dict() alone"))
        }
        _ => Err("it is not a dict of tensors: save model.state_dict()".to_owned()),
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: Vec<Value>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Value, String> {
        loop {
            let [op] = self.take::<1>()?;
            match op {
                // PROTO
                0x80 => match self.take()? {
                    [0..=5] => {}
                    [version] => return Err(format!("pickle protocol {version} isn't known")),
                },
                // FRAME: the reader has all bytes, so it does not need the length.
                0x95 => drop(self.take::<8>()?),
                b'.' => return self.pop(),
                b'(' => self.push(Value::Mark)?,
                b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
                b'G' => {
                    self.take::<8>()?;
                    self.push(Value::Other)?;
                }
                b'J' => {
                    let int = i32::from_le_bytes(self.take()?);
                    self.push(Value::Int(int.into()))?;
                }
                b'K' => {
                    let [int] = self.take()?;
                    self.push(Value::Int(int.into()))?;
                }
                b'M' => {
                    let int = u16::from_le_bytes(self.take()?);
                    self.push(Value::Int(int.into()))?;
                }
                0x8a => {
                    let int = self.long()?;
                    self.push(Value::Int(int))?;
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.take()?);
                    self.text(length as usize)?;
                }
                0x8c => {
                    let [length] = self.take()?;
                    self.text(length.into())?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Value::Global(global(&module, &name)?))?;
                }
                b')' => self.tuple(Vec::new())?,
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.tuple(items)?;
                }
                0x85..=0x87 => {
                    let count = usize::from(op - 0x84);
                    let first = self.stack.len().checked_sub(count).ok_or("the stack is empty")?;
                    let items = self.stack.split_off(first);
                    self.tuple(items)?;
                }
                b'}' => self.push(Value::Dict(Vec::new(), None))?,
                b']' => self.push(Value::List)?,
                // APPEND, APPENDS
                b'a' => drop(self.pop()?),
                b'e' => drop(self.pop_to_mark()?),
                // SETITEM, SETITEMS
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(vec![key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set_items(items)?;
                }
                // BUILD: a state dict's `_metadata`, which is not used.
                b'b' => drop(self.pop()?),
                b'Q' => {
                    let id = self.pop()?;
                    let storage = storage(id)?;
                    self.push(Value::Storage(storage))?;
                }
                b'R' => {
                    let arguments = self.pop()?;
                    let function = self.pop()?;
                    let made = call(function, arguments)?;
                    self.push(made)?;
                }
                // BINPUT, LONG_BINPUT, MEMOIZE
                b'q' => {
                    let [index] = self.take()?;
                    self.remember(index.into())?;
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.take()?);
                    self.remember(index as usize)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' => {
                    let [index] = self.take()?;
                    self.recall(index.into())?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.take()?);
                    self.recall(index as usize)?;
                }
                _ => return Err(format!("its pickle has instruction {op:#04x}, which no state dict needs")),
            }
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = *rest.first_chunk::<N>().ok_or("its pickle ends too early")?;
        self.at += N;
        Ok(taken)
    }

    fn slice(&mut self, length: usize) -> Result<&str, String> {
        let end = self.at.checked_add(length).ok_or("its pickle ends too early")?;
        let slice = self.bytes.get(self.at..end).ok_or("its pickle ends too early")?;
        self.at = end;
        std::str::from_utf8(slice).map_err(|_| "its pickle has text that isn't UTF-8".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length =
            rest.iter().take(256).position(|byte| *byte == b'\n').ok_or("its pickle has a broken name")?;
        let line = self.slice(length)?.to_owned();
        self.at += 1;
        Ok(line)
    }

    fn long(&mut self) -> Result<i64, String> {
        let [length] = self.take()?;
        let mut value = [0; 8];
        if length > 8 {
            return Err("its pickle has a number of more than 64 bits".to_owned());
        }
        for slot in value.iter_mut().take(length.into()) {
            [*slot] = self.take()?;
        }
        // Two's complement: extends the sign bit of the last byte.
        let shift = 64 - 8 * u32::from(length);
        Ok(i64::from_le_bytes(value).checked_shl(shift).unwrap_or(0) >> shift.min(63))
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = self.slice(length)?.into();
        self.push(Value::Text(text))
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.stack.len() + self.memo.len() > MAX_VALUES {
            return Err("its pickle has too many values".to_owned());
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| "its pickle takes from an empty stack".to_owned())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self
            .stack
            .iter()
            .rposition(|value| matches!(value, Value::Mark))
            .ok_or("its pickle lacks a mark")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn tuple(&mut self, items: Vec<Value>) -> Result<(), String> {
        let inner = items.iter().map(|item| if let Value::Tuple(_, depth) = item { *depth } else { 0 }).max();
        let depth = inner.unwrap_or(0) + 1;
        if depth > MAX_DEPTH {
            return Err("its pickle is nested too deeply".to_owned());
        }
        self.push(Value::Tuple(items.into(), depth))
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<(), String> {
        let Some(Value::Dict(entries, other)) = self.stack.last_mut() else {
            return Err("its pickle sets items of something that isn't a dict".to_owned());
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            match (key, value) {
                (Value::Text(name), Value::Tensor(tensor)) => entries.push((name, tensor)),
                (Value::Text(name), _) => _ = other.get_or_insert(name),
                _ => return Err("its dict has a key that isn't text".to_owned()),
            }
        }
        Ok(())
    }

    fn remember(&mut self, index: usize) -> Result<(), String> {
        // The memo would have an incomplete copy of a dict that is still being filled. `torch.save` never recalls one.
        let value = match self.stack.last().ok_or("its pickle remembers nothing")? {
            Value::Dict(..) => Value::Other,
            value => value.clone(),
        };
        match index.cmp(&self.memo.len()) {
            std::cmp::Ordering::Less => self.memo[index] = value,
            std::cmp::Ordering::Equal => self.memo.push(value),
            std::cmp::Ordering::Greater => return Err("its pickle numbers its memo wrongly".to_owned()),
        }
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), String> {
        let value = self.memo.get(index).ok_or("its pickle recalls what it never had")?.clone();
        self.push(value)
    }
}

fn global(module: &str, name: &str) -> Result<Global, String> {
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Ok(Global::RebuildParameter),
        ("torch", class) if class.ends_with("Storage") => Ok(Global::StorageClass(class.into())),
        _ => Err(format!("its pickle calls {module}.{name}, which no state dict needs: it was not loaded")),
    }
}

fn storage(id: Value) -> Result<Storage, String> {
    if let Value::Tuple(parts, _) = &id
        && let [
            Value::Text(kind),
            Value::Global(Global::StorageClass(class)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(elements),
        ] = &**parts
        && &**kind == "storage"
        && let Ok(elements) = u64::try_from(*elements)
    {
        return Ok(Storage { class: class.clone(), key: key.clone(), elements });
    }
    Err("its pickle names a storage in a way that isn't known".to_owned())
}

fn call(function: Value, arguments: Value) -> Result<Value, String> {
    let Value::Tuple(arguments, _) = arguments else {
        return Err("its pickle calls without arguments".to_owned());
    };
    match (function, &*arguments) {
        (Value::Global(Global::OrderedDict), []) => Ok(Value::Dict(Vec::new(), None)),
        (
            Value::Global(Global::RebuildTensor),
            [Value::Storage(storage), Value::Int(offset), shape, strides, ..],
        ) => {
            let offset = u64::try_from(*offset).map_err(|_| "a tensor has a negative offset")?;
            let (shape, strides) = (sizes(shape)?, sizes(strides)?);
            let view = TensorView { storage: storage.clone(), offset, shape, strides };
            Ok(Value::Tensor(Rc::new(view)))
        }
        (Value::Global(Global::RebuildParameter), [Value::Tensor(tensor), ..]) => {
            Ok(Value::Tensor(tensor.clone()))
        }
        _ => Err("its pickle makes something that isn't a tensor".to_owned()),
    }
}

fn sizes(value: &Value) -> Result<Vec<u64>, String> {
    let Value::Tuple(items, _) = value else {
        return Err("a tensor has a shape that isn't a tuple".to_owned());
    };
    let size = |item: &Value| match item {
        Value::Int(size) => u64::try_from(*size).map_err(|_| "a tensor has a negative size".to_owned()),
        _ => Err("a tensor has a size that isn't a number".to_owned()),
    };
    items.iter().map(size).collect()
}
