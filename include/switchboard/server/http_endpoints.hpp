// SPDX-License-Identifier: MIT
// Internal: answers /healthz, /readyz, /metrics and static files.
#pragma once
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <switchboard/protocol/http_response.hpp>
#include <switchboard/protocol/upgrade_request.hpp>
#include <switchboard/server/static_files.hpp>

namespace switchboard::inline v1 {

/// What a server answers over plain HTTP: /healthz, /readyz, /metrics and static files. Set up before the
/// shards start; from then on any thread. An answer to HEAD has its body too: whoever writes it leaves that
/// out.
class HttpEndpoints {
 public:
  /// With an admin port, /healthz, /readyz and /metrics are there and nowhere else.
  void set_admin_only(bool admin_only) { is_admin_only_ = admin_only; }
  /// Makes the text of /metrics; called on any shard's thread.
  void set_metrics(std::function<std::string()> metrics) { metrics_ = std::move(metrics); }
  /// Whether the server can do its work; called on any shard's thread. While it cannot, /readyz says 503.
  void set_health(std::function<bool()> is_healthy) { is_healthy_ = std::move(is_healthy); }
  void add_files(std::vector<StaticFile> files) {
    for (StaticFile& file : files) files_.insert_or_assign(file.path, std::move(file));
  }

  /// Any thread: /readyz says 503 from here on.
  void set_draining() { is_draining_.store(true, std::memory_order_relaxed); }

  /// Empty: there is nothing at this path.
  std::optional<HttpResponse> answer(const UpgradeRequest& request, bool is_admin) const {
    std::optional<HttpResponse> response = find(request.path(), is_admin);
    if (response && request.method() != "GET" && request.method() != "HEAD")
      return HttpResponse{.status = 405,
                          .content_type = "application/json",
                          .body = R"({"error":"method.invalid","message":"only GET and HEAD"})",
                          .headers = {{"Allow", "GET, HEAD"}}};
    return response;
  }

 private:
  std::optional<HttpResponse> find(std::string_view path, bool is_admin) const {
    if (is_admin == is_admin_only_) {
      if (path == "/healthz") return text(200, "ok\n");
      if (path == "/readyz") return readiness();
      if (path == "/metrics" && metrics_)
        return HttpResponse{.status = 200,
                            .content_type = "text/plain; version=0.0.4; charset=utf-8",
                            .body = metrics_(),
                            .headers = {}};
    }
    const auto file = is_admin ? files_.end() : files_.find(std::string(path));
    if (file == files_.end()) return std::nullopt;
    return HttpResponse{.status = 200,
                        .content_type = file->second.content_type,
                        .body = file->second.body,
                        .headers = {{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-cache"}}};
  }

  HttpResponse readiness() const {
    if (is_draining_.load(std::memory_order_relaxed)) return text(503, "draining\n");
    if (is_healthy_ && !is_healthy_()) return text(503, "the broker is away\n");
    return text(200, "ready\n");
  }

  static HttpResponse text(unsigned status, std::string body) {
    return {.status = status,
            .content_type = "text/plain; charset=utf-8",
            .body = std::move(body),
            .headers = {}};
  }

  bool is_admin_only_ = false;
  std::function<std::string()> metrics_;
  std::function<bool()> is_healthy_;
  std::unordered_map<std::string, StaticFile> files_;
  std::atomic<bool> is_draining_{false};
};

}  // namespace switchboard::inline v1
