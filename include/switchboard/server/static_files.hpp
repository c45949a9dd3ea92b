// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// A file that the server answers `GET path` with, held in memory.
struct StaticFile {
  std::string path;          ///< as in the request, e.g. "/app.js"; "/" is the page itself
  std::string content_type;  ///< e.g. "text/html; charset=utf-8"
  std::string body;          ///< any bytes
};

/// The content type for a file's name, by its extension; application/octet-stream where it is unknown.
inline std::string_view content_type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> types{{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".ico", "image/x-icon"},
      {".wasm", "application/wasm"},
      {".txt", "text/plain; charset=utf-8"},
      {".woff2", "font/woff2"},
  }};
  for (const auto& [extension, type] : types)
    if (name.ends_with(extension)) return type;
  return "application/octet-stream";
}

/// Reads a folder with all below it, to be served under `prefix` ("" or "/assets"); an index.html is also the
/// folder itself. What is not a regular file inside the folder is left out, so no request can reach beyond
/// it. Throws std::system_error where something cannot be read.
inline std::vector<StaticFile> read_static_files(const std::filesystem::path& folder,
                                                 const std::string& prefix = {}) {
  std::vector<StaticFile> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_symlink() || !entry.is_regular_file()) continue;
    std::ifstream input(entry.path(), std::ios::binary);
    std::string body(std::istreambuf_iterator<char>(input), {});
    if (input.bad() || !input.is_open())
      throw std::system_error(std::make_error_code(std::errc::io_error),
                              "cannot read " + entry.path().string());
    const std::string path = prefix + "/" + entry.path().lexically_relative(folder).generic_string();
    if (path.ends_with("/index.html"))
      files.push_back({path.substr(0, path.size() - std::string_view("index.html").size()),
                       "text/html; charset=utf-8", body});
    files.push_back({path, std::string(content_type_of(path)), std::move(body)});
  }
  return files;
}

}  // namespace switchboard::inline v1
