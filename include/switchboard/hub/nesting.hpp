// SPDX-License-Identifier: MIT
// Internal: how deep a hub is in something, and what it does at the end of that.
#pragma once
#include <cstddef>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Counts in `depth` how many of it live. With the last one `at_end` is called.
template <class Owner, std::size_t Owner::* depth, void (Owner::*at_end)()>
class Nesting {
 public:
  explicit Nesting(Owner& owner) : owner_(owner) { ++(owner_.*depth); }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ~Nesting() {
    if (--(owner_.*depth) == 0) (owner_.*at_end)();
  }

 private:
  Owner& owner_;
};

}  // namespace switchboard::inline v1
