// Adam's step in one pass over each tensor, as a C function for adam.rs. No exception leaves it: it returns whether it
// succeeded, and writes why it didn't as text into `why`.

#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adam.h>

#include "../attempt.h"

namespace {

std::vector<at::Tensor> listed(at::Tensor* const* tensors, size_t count) {
  std::vector<at::Tensor> all;
  for (size_t index = 0; index < count; ++index) {
    all.push_back(*tensors[index]);
  }
  return all;
}

} // namespace

extern "C" {

// Takes a step with `count` weights, their gradients and moments. The four tensors of each place have one layout in
// memory. `step` is a number in float32, from 1.
bool opsml_adam(
    at::Tensor* const* weights, at::Tensor* const* gradients, at::Tensor* const* firsts, at::Tensor* const* seconds,
    size_t count, const at::Tensor* step, double rate, double beta1, double beta2, double decay, double epsilon, char* why,
    size_t room) {
  return attempt(why, room, [&] {
    const std::vector<at::Tensor> steps(count, *step);
    auto w = listed(weights, count), g = listed(gradients, count), m = listed(firsts, count), v = listed(seconds, count);
    at::_fused_adam_(w, g, m, v, {}, steps, rate, beta1, beta2, decay, epsilon, false, false);
  });
}

} // extern "C"
