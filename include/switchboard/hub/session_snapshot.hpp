// SPDX-License-Identifier: MIT
// Internal: a session as bytes, for the hub that takes it over.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/hub/byte_codec.hpp>
#include <switchboard/hub/channel_links.hpp>
#include <switchboard/patterns/stateful_connection.hpp>
#include <switchboard/protocol/encoded_message.hpp>

namespace switchboard::inline v1 {

/// All that a session is, but for its user and its socket, as one hub hands it to another.
struct SessionSnapshot {
  struct Channel {
    std::string name;            ///< the user's own channel, if there is one, comes last
    bool is_subscribed = false;  ///< not the user's own
    bool wants_presence = false;
    bool is_unsure = false;  ///< the old hub may not have heard all that the new one has not
    ChannelLinks::Counters heard;
    ChannelLinks::Changes presence_seen;
  };
  /// A message of the log. `channel` counts from 1; 0: of none, or of one that it is no longer in.
  struct Entry {
    enum class Kind : std::uint8_t { json, binary, gap };
    Kind kind = Kind::json;
    std::uint64_t sequence = 0;
    std::uint32_t missed = 0;
    std::uint32_t channel = 0;
    std::string_view payload;  ///< as in a frame: a JSON object, or type and bytes
  };

  std::uint64_t newest_sequence = 0;
  std::vector<Channel> channels;
  std::vector<std::string> publish_ids;  ///< the oldest first
  std::vector<std::string> revoked;      ///< channels it was taken off, of which its client has not been told
  std::string state;                     ///< the App's, JSON; empty: it cannot be carried
  std::vector<Entry> entries;            ///< payloads point into the log, or into what was decoded
  StatefulConnection<>::Extra extra;     ///< the log's

  std::string encode() const {
    std::size_t size = 256;
    for (const Entry& entry : entries) size += entry.payload.size() + 24;
    std::string out;
    out.reserve(size);
    ByteWriter writer(out);
    writer.u8(current_version).u64(newest_sequence).text(state);
    writer.u32(static_cast<std::uint32_t>(channels.size()));
    for (const Channel& channel : channels) {
      writer.text(channel.name)
          .u8(static_cast<std::uint8_t>((channel.is_subscribed ? 1 : 0) | (channel.wants_presence ? 2 : 0) |
                                        (channel.is_unsure ? 4 : 0)));
      writer.u32(static_cast<std::uint32_t>(channel.heard.size()));
      for (const auto& [origin, counter] : channel.heard) writer.u64(origin).u64(counter);
      writer.u32(static_cast<std::uint32_t>(channel.presence_seen.size()));
      for (const auto& [user, version] : channel.presence_seen) writer.text(user).u64(version);
    }
    writer.u32(static_cast<std::uint32_t>(publish_ids.size()));
    for (const std::string& id : publish_ids) writer.text(id);
    writer.u32(static_cast<std::uint32_t>(revoked.size()));
    for (const std::string& channel : revoked) writer.text(channel);
    writer.u32(static_cast<std::uint32_t>(entries.size()));
    for (const Entry& entry : entries)
      writer.u8(static_cast<std::uint8_t>(entry.kind))
          .u64(entry.sequence)
          .u32(entry.missed)
          .u32(entry.channel)
          .text(entry.payload);
    writer.u64(extra.messages).u64(extra.bytes);
    return out;
  }

  /// Nothing: not a snapshot, of another version, or one that no session can be.
  static std::optional<SessionSnapshot> decode(std::string_view bytes) {
    ByteReader reader(bytes);
    SessionSnapshot snapshot;
    if (reader.u8() != current_version) return std::nullopt;
    snapshot.newest_sequence = reader.u64();
    snapshot.state = reader.text();
    snapshot.channels.resize(reader.count(13));
    for (Channel& channel : snapshot.channels) decode_channel(reader, channel);
    snapshot.publish_ids.resize(reader.count(4));
    for (std::string& id : snapshot.publish_ids) id = reader.text();
    snapshot.revoked.resize(reader.count(4));
    for (std::string& channel : snapshot.revoked) channel = reader.text();
    snapshot.entries.resize(reader.count(21));
    for (Entry& entry : snapshot.entries) {
      entry.kind = static_cast<Entry::Kind>(reader.u8());
      entry.sequence = reader.u64();
      entry.missed = reader.u32();
      entry.channel = reader.u32();
      entry.payload = reader.text();
    }
    if (!reader.is_at_end()) {  // an earlier release does not say
      snapshot.extra.messages = static_cast<std::size_t>(reader.u64());
      snapshot.extra.bytes = static_cast<std::size_t>(reader.u64());
    }
    if (!reader.is_at_end() || !snapshot.is_consistent()) return std::nullopt;
    return snapshot;
  }

 private:
  static constexpr std::uint8_t current_version = 1;

  static void decode_channel(ByteReader& reader, Channel& channel) {
    channel.name = reader.text();
    const std::uint8_t flags = reader.u8();
    channel.is_subscribed = (flags & 1) != 0;
    channel.wants_presence = (flags & 2) != 0;
    channel.is_unsure = (flags & 4) != 0;
    channel.heard.resize(reader.count(16));
    for (auto& [origin, counter] : channel.heard) origin = reader.u64(), counter = reader.u64();
    channel.presence_seen.resize(reader.count(12));
    for (auto& [user, version] : channel.presence_seen) user = reader.text(), version = reader.u64();
  }

  // A log that breaks these would break the welcome's sums, or the frames.
  bool is_consistent() const {
    if (newest_sequence > Sequence::max) return false;
    std::uint64_t before = 0;
    for (const Entry& entry : entries) {
      if (entry.sequence <= before || entry.sequence > newest_sequence) return false;
      if (entry.channel > channels.size() || (entry.kind == Entry::Kind::gap) != (entry.missed > 0))
        return false;
      if (entry.kind == Entry::Kind::json && !entry.payload.starts_with('{')) return false;
      if (entry.kind == Entry::Kind::binary && entry.payload.size() < 4) return false;
      if (entry.kind > Entry::Kind::gap) return false;
      before = entry.sequence;
    }
    return entries.empty() || before == newest_sequence;
  }
};

}  // namespace switchboard::inline v1
