// Keeps C++ exceptions from leaving a C function.

#pragma once

#include <cstdio>
#include <exception>

#include <c10/util/Exception.h>

// Does the work. Returns whether it threw nothing, and writes what it threw as text into `why`.
template <typename F>
bool attempt(char* why, size_t room, F&& work) noexcept {
  try {
    work();
    return true;
  } catch (const c10::Error& error) {
    // With its backtrace it would fill a page of the log.
    std::snprintf(why, room, "%s", error.what_without_backtrace());
  } catch (const std::exception& error) {
    std::snprintf(why, room, "%s", error.what());
  } catch (...) {
    std::snprintf(why, room, "an unknown C++ exception");
  }
  return false;
}
