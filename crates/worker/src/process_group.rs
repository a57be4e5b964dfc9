//! A group of processes that compute together, by libtorch's c10d over Gloo, as PyTorch's DistributedDataParallel does on
//! CPUs. The C++ part is `c10d/process_group.cpp`.

use std::ffi::{CString, c_char, c_int};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::ptr::NonNull;
use std::time::Duration;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::why::Why;

/// What a process needs to join the group.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The name or the address of rank 0.
    pub host: String,
    pub port: u16,
    /// From 0.
    pub rank: usize,
    pub size: usize,
    /// The network interface by which the others reach this process. If it is empty, the one of the machine's name.
    pub interface: String,
    /// How long to wait for the others, at the start and in each call.
    pub timeout: Duration,
}

/// A process's membership in the group. All processes must make the same calls in the same order.
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
        capacity: usize,
    ) -> *mut Group;
    fn opsml_group_sum(
        group: *mut Group,
        tensors: *const *const C_tensor,
        count: usize,
        why: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn opsml_group_broadcast(
        group: *mut Group,
        tensors: *const *const C_tensor,
        count: usize,
        why: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn opsml_group_barrier(group: *mut Group, why: *mut c_char, capacity: usize) -> bool;
    fn opsml_group_leave(group: *mut Group);
}

impl ProcessGroup {
    /// Joins the group. Returns when all processes are connected.
    ///
    /// # Errors
    /// libtorch's message: a process did not join in time, the name or the interface is unknown, or the port is in use.
    pub fn join(member: &Membership) -> Result<Self, String> {
        let text = |text: &str| CString::new(text).map_err(|_| format!("{text:?} contains a zero byte"));
        let (host, interface) = (text(&member.host)?, text(&member.interface)?);
        let small = |number: usize| c_int::try_from(number).map_err(|_| format!("{number} is too many"));
        let (rank, size) = (small(member.rank)?, small(member.size)?);
        let timeout = i64::try_from(member.timeout.as_millis()).unwrap_or(i64::MAX);
        let listener = match member.rank {
            0 => listen(member)?.into_raw_fd(),
            _ => -1,
        };
        let mut why = Why::new();
        // SAFETY: the texts and the buffer for the error outlive the call, which takes ownership of the listener.
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

    /// Replaces each tensor by its sum over all processes. The tensors must be dense and have the same shapes everywhere.
    pub fn sum(&self, tensors: &[Tensor]) -> Result<(), String> {
        self.collective(opsml_group_sum, tensors)
    }

    /// Replaces each tensor by that of rank 0. The tensors must be dense and have the same shapes everywhere.
    pub fn broadcast(&self, tensors: &[Tensor]) -> Result<(), String> {
        self.collective(opsml_group_broadcast, tensors)
    }

    /// Returns when all processes have called it.
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
        // SAFETY: the group is alive until `self` is dropped, and the pointers are those of live tensors. libtorch lets every
        // holder of a handle change a tensor.
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

/// Returns the socket on which rank 0 listens for the others. If the host is an address, it is bound only to that address:
/// the listener accepts commands from everybody who can connect.
fn listen(member: &Membership) -> Result<TcpListener, String> {
    let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let addresses = member.host.parse().map_or(any.to_vec(), |address: IpAddr| vec![address]);
    let addresses: Vec<_> =
        addresses.into_iter().map(|address| SocketAddr::new(address, member.port)).collect();
    TcpListener::bind(&addresses[..])
        .map_err(|error| format!("can't listen on port {}: {error}", member.port))
}
