// The names of Gloo's that libtorch's ProcessGroupGloo.hpp mentions, and nothing of what they are.
//
// libtorch has Gloo inside, but PyTorch's wheel comes without its headers, and a distribution's are of another
// version. process_group.cpp holds Gloo's objects only by pointers that libtorch makes, so their names are enough;
// a use of more than a name would not compile or not link, where another version's header could be quietly wrong.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class Device;
class UnboundBuffer;
} // namespace transport

namespace rendezvous {

// The base of a class of libtorch's whose members are defined in its header, and never used here.
class Store {
 public:
  virtual ~Store();
  virtual void set(const std::string& key, const std::vector<char>& value) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) = 0;
};

} // namespace rendezvous
} // namespace gloo
