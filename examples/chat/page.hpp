// SPDX-License-Identifier: MIT
#pragma once
#include <span>
#include <string_view>

/// A file of the page, compiled into the program (cmake/EmbedFiles.cmake).
struct PageFile {
  std::string_view path;  ///< of the URL, e.g. "/index.html"
  std::string_view body;
};

std::span<const PageFile> page_files();
