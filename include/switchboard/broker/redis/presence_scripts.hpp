// SPDX-License-Identifier: MIT
// Internal: the Lua scripts by which presence is kept in Redis.
#pragma once
#include <string_view>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace redis {

// Presence in Redis. Each script has one key, so that a cluster can run it where that is:
//   PREFIXpresence:CHANNEL  hash: user → MessagePack array {node, info, node, info …}, the one entered last
//                           at its end; the empty user → the newest version
//   PREFIXnodes             sorted set: node → when its lease ends, in milliseconds of the server's clock
//   PREFIXin:NODE           set: channels that the node has entries in
// A version is the server's time in microseconds, so that it grows also across an empty channel or server.

/// ARGV: user, node, info. Answer: whether the user is new in the channel, version.
inline constexpr std::string_view enter_script = R"lua(
local t = redis.call('TIME')
local version = math.max(t[1] * 1000000 + t[2], tonumber(redis.call('HGET', KEYS[1], '') or '0') + 1)
local packed = redis.call('HGET', KEYS[1], ARGV[1])
local old, new = packed and cmsgpack.unpack(packed) or {}, {}
for i = 1, #old, 2 do
  if old[i] ~= ARGV[2] then new[#new + 1] = old[i]; new[#new + 1] = old[i + 1] end
end
new[#new + 1] = ARGV[2]
new[#new + 1] = ARGV[3]
redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(new), '', string.format('%.0f', version))
return {#old == 0 and 1 or 0, version}
)lua";

/// ARGV: user, node. Answer: whether the user is gone from the channel by this, version.
inline constexpr std::string_view leave_script = R"lua(
local t = redis.call('TIME')
local version = math.max(t[1] * 1000000 + t[2], tonumber(redis.call('HGET', KEYS[1], '') or '0') + 1)
local packed = redis.call('HGET', KEYS[1], ARGV[1])
if not packed then return {0, version} end
local old, new = cmsgpack.unpack(packed), {}
for i = 1, #old, 2 do
  if old[i] ~= ARGV[2] then new[#new + 1] = old[i]; new[#new + 1] = old[i + 1] end
end
if #new == #old then return {0, version} end
if #new > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(new), '', string.format('%.0f', version))
  return {0, version}
end
redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('HLEN', KEYS[1]) == 1 then redis.call('DEL', KEYS[1])
else redis.call('HSET', KEYS[1], '', string.format('%.0f', version)) end
return {1, version}
)lua";

/// Answer: user, info, user, info …
inline constexpr std::string_view query_script = R"lua(
local all, list = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  if all[i] ~= '' then
    local entries = cmsgpack.unpack(all[i + 1])
    list[#list + 1] = all[i]
    list[#list + 1] = entries[#entries]
  end
end
return list
)lua";

/// ARGV: a node that is dead. Answer: version, and the users who are gone from the channel by that.
inline constexpr std::string_view clean_script = R"lua(
local t = redis.call('TIME')
local version = math.max(t[1] * 1000000 + t[2], tonumber(redis.call('HGET', KEYS[1], '') or '0') + 1)
local all, gone = redis.call('HGETALL', KEYS[1]), {string.format('%.0f', version)}
for i = 1, #all, 2 do
  if all[i] ~= '' then
    local old, new = cmsgpack.unpack(all[i + 1]), {}
    for j = 1, #old, 2 do
      if old[j] ~= ARGV[1] then new[#new + 1] = old[j]; new[#new + 1] = old[j + 1] end
    end
    if #new == 0 then
      redis.call('HDEL', KEYS[1], all[i])
      gone[#gone + 1] = all[i]
    elseif #new < #old then
      redis.call('HSET', KEYS[1], all[i], cmsgpack.pack(new))
    end
  end
end
if redis.call('HLEN', KEYS[1]) <= 1 then redis.call('DEL', KEYS[1])
else redis.call('HSET', KEYS[1], '', gone[1]) end
return gone
)lua";

/// ARGV: node, length of a lease in milliseconds. Answer: 1 if the node's lease had not ended, and the nodes
/// whose lease has.
inline constexpr std::string_view renew_script = R"lua(
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
table.insert(ended, 1, ends > now and '1' or '0')
return ended
)lua";

}  // namespace redis
}  // namespace switchboard::inline v1
