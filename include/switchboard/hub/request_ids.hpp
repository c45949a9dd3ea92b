// SPDX-License-Identifier: MIT
// Internal: what is remembered of the ids of a client's requests.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/hub/json_request.hpp>

namespace switchboard::inline v1 {

/// The publish ids that a session has had accepted, and those of which that is not known yet, so that one
/// sent again after a cut is not delivered twice.
class PublishIds {
 public:
  static constexpr std::size_t remembered = 100;

  /// The broker is asked to take a publish.
  void begin(std::string_view id) { under_way_.push_back({std::string(id), 1}); }
  /// It has come again. False if it is not under way.
  bool repeat(std::string_view id) {
    for (UnderWay& one : under_way_)
      if (one.id == id) return ++one.asked, true;
    return false;
  }
  /// The broker has answered. Returns how often the client has asked: so many answers it gets.
  std::size_t end(std::string_view id, bool is_accepted) {
    const auto found =
        std::find_if(under_way_.begin(), under_way_.end(), [&](const UnderWay& one) { return one.id == id; });
    const std::size_t asked = found->asked;
    under_way_.erase(found);
    if (is_accepted) insert(id);
    return asked;
  }

  bool contains(std::string_view id) const {
    for (const std::string& known : ids_)
      if (known == id) return true;
    return false;
  }
  void insert(std::string_view id) {
    if (ids_.size() < remembered) {
      ids_.emplace_back(id);
      return;
    }
    ids_[oldest_] = id;
    oldest_ = (oldest_ + 1) % remembered;
  }
  std::size_t size() const { return ids_.size() + under_way_.size(); }
  /// Calls `visit(id)` for each that was accepted, the oldest first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < ids_.size(); ++i) visit(ids_[(oldest_ + i) % ids_.size()]);
  }

 private:
  struct UnderWay {
    std::string id;
    std::size_t asked;
  };
  std::vector<UnderWay> under_way_;
  std::vector<std::string> ids_;
  std::size_t oldest_ = 0;
};

/// Ids of requests to the App that do not come out of a JSON value as they went in. Of several that come out
/// the same the newest counts: the App may never answer the others.
class WrittenIds {
 public:
  /// `written`: the id as it came, JSON text, or nothing.
  void remember(const std::string& written) {
    if (written.empty()) return;
    std::string parsed = parse_json(written).dump();
    if (ids_)
      std::erase_if(*ids_, [&](const auto& id) { return id.first == parsed && id.second != written; });
    if (parsed == written) return;
    if (!ids_) ids_ = std::make_unique<std::vector<std::pair<std::string, std::string>>>();
    if (ids_->size() == remembered) ids_->erase(ids_->begin());
    ids_->emplace_back(std::move(parsed), written);
  }
  std::size_t size() const { return ids_ ? ids_->size() : 0; }
  /// The id as it came, of one that was parsed and written again. Once for each.
  std::string take(std::string parsed) {
    if (!ids_) return parsed;
    for (auto place = ids_->begin(); place != ids_->end(); ++place) {
      if (place->first != parsed) continue;
      std::string written = std::move(place->second);
      ids_->erase(place);
      if (ids_->empty()) ids_.reset();
      return written;
    }
    return parsed;
  }

 private:
  static constexpr std::size_t remembered = 100;  // requests that an App has not answered
  std::unique_ptr<std::vector<std::pair<std::string, std::string>>> ids_;
};

}  // namespace switchboard::inline v1
