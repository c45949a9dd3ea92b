// SPDX-License-Identifier: MIT
#include <map>

#include <switchboard/server/static_files.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "switchboard-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  void write(const fs::path& name, std::string_view text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
  }
  fs::path path;
};

}  // namespace

TEST_CASE("a folder is read with all below it, each file with its type") {
  const Folder folder;
  folder.write("index.html", "<p>home");
  folder.write("js/app.js", "1;");
  folder.write("docs/index.html", "<p>docs");
  folder.write("data.unknown", std::string_view("\0\xff", 2));
  std::map<std::string, sb::StaticFile> files;
  for (const sb::StaticFile& file : sb::read_static_files(folder.path, "/site")) files[file.path] = file;
  CHECK(files.size() == 6);
  CHECK(files["/site/"].body == "<p>home");
  CHECK(files["/site/index.html"].content_type == "text/html; charset=utf-8");
  CHECK(files["/site/docs/"].body == "<p>docs");
  CHECK(files["/site/js/app.js"].content_type == "text/javascript; charset=utf-8");
  CHECK(files["/site/data.unknown"].content_type == "application/octet-stream");
  CHECK(files["/site/data.unknown"].body == std::string("\0\xff", 2));
}

TEST_CASE("a link that leads out of the folder is not followed") {
  const Folder folder, outside;
  outside.write("secret", "s");
  fs::create_symlink(outside.path / "secret", folder.path / "link");
  fs::create_directory_symlink(outside.path, folder.path / "folder");
  CHECK(sb::read_static_files(folder.path).empty());
}

TEST_CASE("a folder that is not there is an exception") {
  CHECK_THROWS_AS(sb::read_static_files("/does/not/exist"), std::system_error);
}
