// libtorch's ProcessGroupGloo as C functions, for process_group.rs. No exception leaves them: each returns whether
// it succeeded, and writes why it didn't as text into `why`.

#include <cstdint>
#include <vector>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "../attempt.h"

namespace {

using Work = c10::intrusive_ptr<c10d::Work>;

// Starts `begin` for each tensor, so that they overlap, and waits for all.
template <typename F>
void each(at::Tensor* const* tensors, size_t count, F&& begin) {
  std::vector<Work> works;
  for (size_t index = 0; index < count; ++index) {
    std::vector<at::Tensor> one{*tensors[index]};
    works.push_back(begin(one));
  }
  for (const Work& work : works) {
    work->wait();
  }
}

} // namespace

extern "C" {

// Null on failure. Rank 0 gives the socket on which the others find it, which is ours from then on; they give -1.
// `interface` may be empty: Gloo then takes that of this machine's name.
c10d::ProcessGroupGloo* opsml_group_join(
    const char* host, uint16_t port, int listener, int rank, int size, const char* interface, int64_t timeout_ms,
    char* why, size_t room) {
  c10d::ProcessGroupGloo* group = nullptr;
  attempt(why, room, [&] {
    // Whatever ends a call comes back as its error. The log of a job is no place for libtorch's backtraces of a
    // connection that succeeds at the second try.
    FLAGS_caffe2_log_level = 3; // FATAL
    const std::chrono::milliseconds timeout(timeout_ms);
    c10d::TCPStoreOptions store;
    store.port = port;
    store.isServer = rank == 0;
    store.numWorkers = size;
    store.timeout = timeout;
    if (listener >= 0) {
      store.masterListenFd = listener;
    }
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(
        *interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                   : c10d::ProcessGroupGloo::createDefaultDevice());
    group = c10::make_intrusive<c10d::ProcessGroupGloo>(
                c10::make_intrusive<c10d::TCPStore>(host, store), rank, size, options)
                .release();
  });
  return group;
}

// Leaves in every tensor (dense, of one shape and kind everywhere) the sum over all ranks.
bool opsml_group_sum(
    c10d::ProcessGroupGloo* group, at::Tensor* const* tensors, size_t count, char* why, size_t room) {
  return attempt(why, room, [&] {
    each(tensors, count, [&](auto& one) { return group->allreduce(one, c10d::AllreduceOptions()); });
  });
}

// Leaves in every tensor what rank 0 has in it.
bool opsml_group_broadcast(
    c10d::ProcessGroupGloo* group, at::Tensor* const* tensors, size_t count, char* why, size_t room) {
  return attempt(why, room, [&] {
    each(tensors, count, [&](auto& one) { return group->broadcast(one, c10d::BroadcastOptions()); });
  });
}

// Returns once every rank has come here.
bool opsml_group_barrier(c10d::ProcessGroupGloo* group, char* why, size_t room) {
  return attempt(why, room, [&] { group->barrier(c10d::BarrierOptions())->wait(); });
}

void opsml_group_leave(c10d::ProcessGroupGloo* group) {
  c10::intrusive_ptr<c10d::ProcessGroupGloo>::reclaim(group);
}

} // extern "C"
