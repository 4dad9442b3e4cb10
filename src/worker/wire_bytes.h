// The bytes of what is sent as it stands in memory (warm_wire.h).
#pragma once

#include <cstddef>
#include <span>

namespace deferd {

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}
template <class T>
std::span<std::byte> bytes_into(T& value) {
  return std::as_writable_bytes(std::span<T, 1>(&value, 1));
}

}  // namespace deferd
