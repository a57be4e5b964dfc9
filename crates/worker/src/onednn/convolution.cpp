// Convolutions of oneDNN's with what follows them in one kernel, as C functions for convolution.rs. They are the operators
// by which PyTorch's Inductor compiles networks for CPUs; libtorch has no C++ header of them, so they are called by name.
// No exception leaves a function: each returns whether it succeeded, and writes why it didn't as text into `why`.

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>

#include "../attempt.h"

namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;

c10::OperatorHandle operation(const char* overload, const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
}

at::Tensor called(const c10::OperatorHandle& operation, torch::jit::Stack stack) {
  operation.callBoxed(stack);
  return stack.front().toTensor();
}

c10::List<int64_t> both(int64_t number) {
  return c10::List<int64_t>({number, number});
}

} // namespace

extern "C" {

// Whether this libtorch has the operators.
bool opsml_convolution_is_fused() {
  return c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", ""}).has_value() &&
      c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise_", "binary"}).has_value();
}

// Returns x convolved with the weight, plus the bias, through a ReLU if `relu`. Null on failure.
at::Tensor* opsml_convolution(
    const at::Tensor* x, const at::Tensor* weight, const at::Tensor* bias, int64_t stride, int64_t padding, bool relu,
    char* why, size_t room) {
  at::Tensor* made = nullptr;
  attempt(why, room, [&] {
    static const auto convolution = operation("", "mkldnn::_convolution_pointwise");
    made = new at::Tensor(called(
        convolution,
        {*x, *weight, *bias, both(padding), both(stride), both(1), int64_t(1), std::string(relu ? "relu" : "none"),
         Scalars(), std::string()}));
  });
  return made;
}

// Adds to `sum` what opsml_convolution returns without a ReLU, and then leaves the sum's ReLU in it.
bool opsml_convolution_add(
    const at::Tensor* sum, const at::Tensor* x, const at::Tensor* weight, const at::Tensor* bias, int64_t stride,
    int64_t padding, char* why, size_t room) {
  return attempt(why, room, [&] {
    static const auto convolution = operation("binary", "mkldnn::_convolution_pointwise_");
    called(
        convolution,
        {*sum, *x, *weight, *bias, both(padding), both(stride), both(1), int64_t(1), std::string("add"), c10::IValue(),
         std::string("relu"), Scalars(), std::string()});
  });
}

} // extern "C"
