// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/cluster_slots.hpp>

#include "support/catch.hpp"

namespace redis = switchboard::redis;
using redis::Endpoint;

namespace {

/// A reply written down: `{1, "text", {…}}`.
class Tree {
 public:
  Tree(int number) : integer_(number) {}
  Tree(const char* text) : text_(text) {}
  Tree(std::initializer_list<Tree> elements) : elements_(elements) {}
  std::size_t size() const { return elements_.size(); }
  const Tree& operator[](std::size_t index) const { return elements_.at(index); }
  std::string_view text() const { return text_; }
  std::int64_t integer() const { return integer_; }

 private:
  std::vector<Tree> elements_;
  std::string text_;
  std::int64_t integer_ = 0;
};
static_assert(redis::ReplyTree<Tree>);

const Endpoint asked{"10.0.0.9", 7009};
const Endpoint a{"10.0.0.1", 7001}, b{"10.0.0.2", 7002};

}  // namespace

// The specification's examples, and what CLUSTER KEYSLOT says of the others.
static_assert(redis::crc16("123456789") == 0x31c3);
static_assert(redis::key_slot("foo") == 12182);
static_assert(redis::key_slot("") == 0);

TEST_CASE("only what is in a key's first braces decides its slot, unless that is empty") {
  CHECK(redis::hash_tag("{user1000}.following") == "user1000");
  CHECK(redis::hash_tag("foo{}{bar}") == "foo{}{bar}");
  CHECK(redis::hash_tag("foo{{bar}}zap") == "{bar");
  CHECK(redis::hash_tag("foo{bar}{zap}") == "bar");
  CHECK(redis::hash_tag("a}b{c") == "a}b{c");
  CHECK(redis::key_slot("{user1000}.following") == redis::key_slot("user1000"));
}

TEST_CASE("CLUSTER SLOTS tells which master has which slots") {
  const auto map =
      redis::parse_cluster_slots(Tree{{0, 8191, {"10.0.0.1", 7001, "id", {}}, {"10.0.0.3", 7003, "id", {}}},
                                      {8192, 16383, {"10.0.0.2", 7002, "id", {}}}},
                                 asked);
  REQUIRE(map);
  CHECK(*map->master_of(0) == a);
  CHECK(*map->master_of(8191) == a);
  CHECK(*map->master_of(8192) == b);
  CHECK(*map->master_of(16383) == b);
  CHECK(map->is_complete());
  CHECK(map->masters() == std::vector{a, b});
}

TEST_CASE("a master that does not know its own address is where it was asked") {
  const auto map =
      redis::parse_cluster_slots(Tree{{0, 1, {"", 7009, "id"}}, {2, 3, {Tree(0), 7010, "id"}}}, asked);
  REQUIRE(map);
  CHECK(*map->master_of(1) == asked);
  CHECK(*map->master_of(2) == Endpoint{"10.0.0.9", 7010});
  CHECK_FALSE(map->is_complete());
  CHECK(map->master_of(4) == nullptr);
}

TEST_CASE("what is no answer to CLUSTER SLOTS tells of no slot") {
  for (const Tree& reply :
       {Tree("ERR This instance has cluster support disabled"), Tree{}, Tree(7), Tree{{0, 1}},
        Tree{{0, 1, "host"}}, Tree{{-1, 1, {"h", 1}}}, Tree{{2, 1, {"h", 1}}}, Tree{{0, 16384, {"h", 1}}},
        Tree{{0, 1, {"h", 0}}}, Tree{{0, 1, {"h", 65536}}}, Tree{{0, 1, {"?", 7000}}}})
    CHECK_FALSE(redis::parse_cluster_slots(reply, asked));
}

TEST_CASE("a slot that moved has another master, and one that serves nothing any more is none") {
  redis::SlotMap map;
  map.assign(0, 16383, a);
  map.assign(5, 5, b);
  CHECK(*map.master_of(4) == a);
  CHECK(*map.master_of(5) == b);
  CHECK(map.masters() == std::vector{a, b});
  map.assign(0, 16383, b);
  CHECK(map.masters() == std::vector{b});
}

TEST_CASE("MOVED and ASK say where a slot is") {
  CHECK(redis::parse_redirect("MOVED 3999 127.0.0.1:6381", asked) ==
        redis::Redirect{false, 3999, {"127.0.0.1", 6381}});
  CHECK(redis::parse_redirect("ASK 3999 127.0.0.1:6381", asked) ==
        redis::Redirect{true, 3999, {"127.0.0.1", 6381}});
  CHECK(redis::parse_redirect("MOVED 0 :6381", asked)->endpoint == Endpoint{"10.0.0.9", 6381});
  CHECK(redis::parse_redirect("MOVED 0 2001:db8::1:6381", asked)->endpoint == Endpoint{"2001:db8::1", 6381});
  CHECK(redis::parse_redirect("MOVED 0 [2001:db8::1]:6381", asked)->endpoint ==
        Endpoint{"2001:db8::1", 6381});
  for (const auto* error :
       {"", "MOVED", "MOVED ", "MOVED 1", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED x a:1", "MOVED 1 a",
        "MOVED 1 a:", "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 ?:6381", "MOVED a:1", "ERR MOVED 1 a:1",
        "TRYAGAIN Multiple keys", "CLUSTERDOWN Hash slot"}) {
    INFO(error);
    CHECK_FALSE(redis::parse_redirect(error, asked));
  }
}
