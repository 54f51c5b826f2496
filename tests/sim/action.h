// SPDX-License-Identifier: GPL-3.0-or-later
// Something to be done once, later: a function object that is moved and never copied. What it captures lies in the object
// itself when it is small, as nearly everything in the simulator is: a run makes a hundred thousand of them.
#ifndef CTDB_TESTS_SIM_ACTION_H_
#define CTDB_TESTS_SIM_ACTION_H_

#include <concepts>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace ctdb::sim {

class Action {
 public:
  Action() = default;
  template <typename Call>
  requires(!std::same_as<std::remove_cvref_t<Call>, Action>)
      Action(Call&& call) {  // NOLINT(google-explicit-constructor): a lambda is one
    using Own = std::decay_t<Call>;
    if constexpr (fits<Own>()) {
      new (place_) Own(std::forward<Call>(call));
      handle_ = handle_inside<Own>;
    } else {
      new (place_) Own*(new Own(std::forward<Call>(call)));
      handle_ = handle_outside<Own>;
    }
  }
  Action(Action&& other) noexcept { take(other); }
  Action& operator=(Action&& other) noexcept {
    if (this == &other) return *this;
    drop();
    take(other);
    return *this;
  }
  ~Action() { drop(); }

  explicit operator bool() const { return handle_ != nullptr; }
  void operator()() { handle_(Order::kCall, place_, nullptr); }

 private:
  enum class Order : unsigned char { kCall, kMove, kDestroy };
  using Handle = void (*)(Order order, void* place, void* to);
  static constexpr size_t kInside = 104;

  template <typename Own>
  static constexpr bool fits() {
    return sizeof(Own) <= kInside && alignof(Own) <= alignof(std::max_align_t) &&
           std::is_nothrow_move_constructible_v<Own>;
  }

  template <typename Own>
  static void handle_inside(Order order, void* place, void* to) {
    Own* own = std::launder(static_cast<Own*>(place));
    if (order == Order::kCall) return (*own)();
    if (order == Order::kMove) new (to) Own(std::move(*own));
    own->~Own();
  }
  template <typename Own>
  static void handle_outside(Order order, void* place, void* to) {
    Own* own = *std::launder(static_cast<Own**>(place));
    if (order == Order::kCall) return (*own)();
    if (order == Order::kMove) {
      new (to) Own*(own);
    } else {
      delete own;
    }
  }

  void take(Action& other) {
    if (other.handle_ == nullptr) return;
    other.handle_(Order::kMove, other.place_, place_);
    handle_ = std::exchange(other.handle_, nullptr);
  }
  void drop() {
    if (handle_ != nullptr) std::exchange(handle_, nullptr)(Order::kDestroy, place_, nullptr);
  }

  alignas(std::max_align_t) std::byte place_[kInside];
  Handle handle_ = nullptr;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_ACTION_H_
