// Files of the data folder that nobody else may read: keys.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deferd {

// What is in `folder`/`name`; absent when there is no such file. Says in the log when others may
// read it. Fails with Reason::store_failed when it cannot be read or is larger than `bytes_max`.
Result<std::optional<std::string>> read_secret_file(const std::string& folder,
                                                    std::string_view name, std::size_t bytes_max);

// Replaces it, with mode 0600: whole or not at all, also after a power cut. Fails with
// Reason::store_failed. Requires that no other process uses the folder.
Result<void> write_secret_file(const std::string& folder, std::string_view name,
                               std::string_view text);

}  // namespace deferd
