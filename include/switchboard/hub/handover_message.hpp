// SPDX-License-Identifier: MIT
// Internal: the format of what two hubs say to each other while a session moves.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/hub/byte_codec.hpp>
#include <switchboard/hub/channel_links.hpp>
#include <switchboard/hub/session_id.hpp>

namespace switchboard::inline v1 {

/// What two hubs say to each other while a session moves from one to the other, as the body of an Envelope on
/// their nodes' channels. The one that wants it chooses the `token`, which names this attempt.
///
///     new                                                   old
///     find: session, user, last_seq, where to answer  →     (on the channel of where the session began:
///                                                            whoever holds such a session listens there)
///                                                     ←     offer: the session's channels
///     subscribes and buffers; a marker on each channel
///     pull: how far it had heard each origin before   →     goes on until it has seen the markers and
///                                                           all that the new one has not, then freezes
///                                                     ←     chunk, chunk, …: a SessionSnapshot
///     taken                                           →     ends its own
///
/// `cancel`: the new one has given up. `gone`: this one has the session no more, which others that wait for
/// it hear, too; ask again.
struct HandoverMessage {
  static constexpr std::uint8_t current_version = 1;

  enum class Step : std::uint8_t { find = 1, offer, pull, chunk, taken, cancel, gone };

  struct Channel {
    std::string name;
    ChannelLinks::Counters first;  ///< pull: of each origin the first counter that the new one has
  };

  Step step = Step::find;
  std::uint64_t token = 0;
  SessionId session{};       ///< find; its home is in `home`
  std::string home{};        ///< find: the node that the session began on
  std::string user{};        ///< find
  std::uint64_t last_seq{};  ///< find
  std::string answer_to{};   ///< find, offer, pull, gone: the sender's own channel
  std::vector<Channel> channels{};
  std::uint32_t index = 0;   ///< chunk: from 0
  std::uint64_t total = 0;   ///< chunk: the bytes of all together
  std::string_view piece{};  ///< chunk; points into what was decoded

  std::string encode() const {
    std::string out;
    out.reserve(64 + piece.size());
    ByteWriter writer(out);
    writer.u8(current_version).u8(static_cast<std::uint8_t>(step)).u64(token);
    switch (step) {
      case Step::find:
        writer.raw({reinterpret_cast<const char*>(session.random.data()), session.random.size()});
        writer.u16(session.shard).text(home).text(user).u64(last_seq).text(answer_to);
        break;
      case Step::offer:
      case Step::pull:
        writer.text(answer_to);
        encode_channels(writer);
        break;
      case Step::chunk:
        writer.u32(index).u64(total).raw(piece);
        break;
      case Step::gone:
        writer.text(answer_to);
        break;
      case Step::taken:
      case Step::cancel:
        break;
    }
    return out;
  }

  /// Nothing: not such a message, or of a version or step unknown here.
  static std::optional<HandoverMessage> decode(std::string_view bytes) {
    ByteReader reader(bytes);
    HandoverMessage message;
    if (reader.u8() != current_version) return std::nullopt;
    message.step = static_cast<Step>(reader.u8());
    message.token = reader.u64();
    switch (message.step) {
      case Step::find: {
        const std::string_view random = reader.raw(message.session.random.size());
        if (!reader.is_good()) return std::nullopt;
        std::copy(random.begin(), random.end(), message.session.random.begin());
        message.session.shard = reader.u16();
        message.home = reader.text();
        message.user = reader.text();
        message.last_seq = reader.u64();
        message.answer_to = reader.text();
        break;
      }
      case Step::offer:
      case Step::pull:
        message.answer_to = reader.text();
        message.decode_channels(reader);
        break;
      case Step::chunk:
        message.index = reader.u32();
        message.total = reader.u64();
        message.piece = reader.rest();
        break;
      case Step::gone:
        message.answer_to = reader.text();
        break;
      case Step::taken:
      case Step::cancel:
        break;
      default:
        return std::nullopt;
    }
    if (!reader.is_at_end()) return std::nullopt;
    return message;
  }

 private:
  void encode_channels(ByteWriter& writer) const {
    writer.u32(static_cast<std::uint32_t>(channels.size()));
    for (const Channel& channel : channels) {
      writer.text(channel.name).u32(static_cast<std::uint32_t>(channel.first.size()));
      for (const auto& [origin, counter] : channel.first) writer.u64(origin).u64(counter);
    }
  }
  void decode_channels(ByteReader& reader) {
    channels.resize(reader.count(8));
    for (Channel& channel : channels) {
      channel.name = reader.text();
      channel.first.resize(reader.count(16));
      for (auto& [origin, counter] : channel.first) origin = reader.u64(), counter = reader.u64();
    }
  }
};

}  // namespace switchboard::inline v1
