//! Processes that compute as one: libtorch's c10d over Gloo, which is what PyTorch's DistributedDataParallel runs on
//! CPUs. The C++ side is `c10d/process_group.cpp`.

use std::ffi::{CStr, CString, c_char, c_int};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::ptr::NonNull;
use std::time::Duration;

use tch::Tensor;
use torch_sys::C_tensor;

/// What a process must know to join the others.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Where rank 0 is found: a name or an address.
    pub host: String,
    pub port: u16,
    /// From 0.
    pub rank: usize,
    pub size: usize,
    /// The network interface that the others reach this process by; that of the machine's name where it is empty.
    pub interface: String,
    /// How long one waits for the others: at the start, and in each call.
    pub timeout: Duration,
}

/// A process's place among the others. All must make the same calls in the same order.
pub struct ProcessGroup(NonNull<Group>);

// SAFETY: the C++ object is bound to no thread; calls at the same time are ruled out, as it isn't `Sync`.
unsafe impl Send for ProcessGroup {}

/// c10d::ProcessGroupGloo
#[repr(C)]
struct Group {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn opsml_group_join(
        host: *const c_char,
        port: u16,
        listener: c_int,
        rank: c_int,
        size: c_int,
        interface: *const c_char,
        timeout_ms: i64,
        why: *mut c_char,
        room: usize,
    ) -> *mut Group;
    fn opsml_group_sum(
        group: *mut Group,
        tensors: *const *const C_tensor,
        count: usize,
        why: *mut c_char,
        room: usize,
    ) -> bool;
    fn opsml_group_broadcast(
        group: *mut Group,
        tensors: *const *const C_tensor,
        count: usize,
        why: *mut c_char,
        room: usize,
    ) -> bool;
    fn opsml_group_barrier(group: *mut Group, why: *mut c_char, room: usize) -> bool;
    fn opsml_group_leave(group: *mut Group);
}

impl ProcessGroup {
    /// Meets the others; returns once all are connected with all.
    ///
    /// # Errors
    /// In libtorch's words: some didn't come in time, the name or the interface is unknown, the port is taken.
    pub fn join(member: &Membership) -> Result<Self, String> {
        let text = |text: &str| CString::new(text).map_err(|_| format!("{text:?} holds a zero byte"));
        let (host, interface) = (text(&member.host)?, text(&member.interface)?);
        let small = |number: usize| c_int::try_from(number).map_err(|_| format!("{number} is too many"));
        let (rank, size) = (small(member.rank)?, small(member.size)?);
        let timeout = i64::try_from(member.timeout.as_millis()).unwrap_or(i64::MAX);
        let listener = match member.rank {
            0 => listen(member)?.into_raw_fd(),
            _ => -1,
        };
        let mut why = Why::new();
        // SAFETY: the texts and the room for the error outlive the call; the listener is given away.
        let group = unsafe {
            opsml_group_join(
                host.as_ptr(),
                member.port,
                listener,
                rank,
                size,
                interface.as_ptr(),
                timeout,
                why.0.as_mut_ptr(),
                why.0.len(),
            )
        };
        NonNull::new(group).map(Self).ok_or_else(|| why.text())
    }

    /// Puts into each tensor its sum over all processes. They must be dense, and of the same shapes everywhere.
    pub fn sum(&self, tensors: &[Tensor]) -> Result<(), String> {
        self.collective(opsml_group_sum, tensors)
    }

    /// Puts into each tensor what rank 0 has in it. They must be dense, and of the same shapes everywhere.
    pub fn broadcast(&self, tensors: &[Tensor]) -> Result<(), String> {
        self.collective(opsml_group_broadcast, tensors)
    }

    /// Returns once all have called it.
    pub fn barrier(&self) -> Result<(), String> {
        let mut why = Why::new();
        // SAFETY: the group is alive until `self` is dropped.
        let done = unsafe { opsml_group_barrier(self.0.as_ptr(), why.0.as_mut_ptr(), why.0.len()) };
        if done { Ok(()) } else { Err(why.text()) }
    }

    fn collective(
        &self,
        call: unsafe extern "C" fn(*mut Group, *const *const C_tensor, usize, *mut c_char, usize) -> bool,
        tensors: &[Tensor],
    ) -> Result<(), String> {
        let pointers: Vec<*const C_tensor> = tensors.iter().map(Tensor::as_ptr).collect();
        let mut why = Why::new();
        // SAFETY: the group is alive until `self` is dropped; the pointers are those of living tensors, whose values
        // libtorch lets anybody change who has a handle to them.
        let done = unsafe {
            call(self.0.as_ptr(), pointers.as_ptr(), pointers.len(), why.0.as_mut_ptr(), why.0.len())
        };
        if done { Ok(()) } else { Err(why.text()) }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: it came from `opsml_group_join`, and nothing uses it afterwards.
        unsafe { opsml_group_leave(self.0.as_ptr()) }
    }
}

/// The socket on which the others find rank 0. Where the host is given as an address, it is bound to that alone:
/// what listens there does whatever it is asked to.
fn listen(member: &Membership) -> Result<TcpListener, String> {
    let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let addresses = member.host.parse().map_or(any.to_vec(), |address: IpAddr| vec![address]);
    let addresses: Vec<_> =
        addresses.into_iter().map(|address| SocketAddr::new(address, member.port)).collect();
    TcpListener::bind(&addresses[..])
        .map_err(|error| format!("can't listen on port {}: {error}", member.port))
}

/// Room for the text of a C++ exception.
struct Why([c_char; 1024]);

impl Why {
    fn new() -> Self {
        Self([0; 1024])
    }

    /// Its first line, without what is of use to libtorch's developers alone: `[file:line]`, and advice on bug reports.
    fn text(&self) -> String {
        // SAFETY: the array began as zeros, and C++ ends what it writes with one.
        let text = unsafe { CStr::from_ptr(self.0.as_ptr()) }.to_string_lossy();
        let line = text.lines().next().unwrap_or("no reason was given");
        let line =
            line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, rest)| rest);
        line.split(". This is typically").next().unwrap_or(line).to_owned()
    }
}
