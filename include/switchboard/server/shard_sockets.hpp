// SPDX-License-Identifier: MIT
// Internal, a part of ShardLoop: what happens to its sockets, from accept to the last write.
#pragma once
#include <utility>

#include <switchboard/server/shard_loop.hpp>

namespace switchboard::inline v1 {

template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::on_socket_ready(TransportId id,
                                                                 const net::ReadyEvent& event) {
  SocketState* socket = sockets_.find(id);
  if (!socket) return;
  if (event.writable && socket->is_write_armed) mark_output(id, *socket);
  const bool may_read = socket->wants_input && !socket->has_ended && !is_input_held_;
  if (may_read && (event.readable || event.hung_up)) return read_in(id);
  // It may have been said of the socket that had this name at the beginning of the batch.
  if (event.hung_up && net::has_hung_up(socket->descriptor)) return on_broken(id);
  if (event.readable) sockets_.report_input(id, *socket, false);
}

// Once a tick: a sender without pause must not keep the others waiting.
template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::read_in(TransportId id) {
  const net::Transfer read = receive_from(sockets_.find(id)->descriptor, {read_buffer_.get(), read_limit_});
  is_limit_reached_ |= read.bytes == read_limit_;
  switch (read.kind) {
    case net::Transfer::Kind::some:
      metrics_.bytes_received.add(read.bytes);
      hub_.receive(id, {read_buffer_.get(), read.bytes});
      break;
    case net::Transfer::Kind::would_block:
      break;
    case net::Transfer::Kind::end:
      on_end(id);
      break;
    case net::Transfer::Kind::broken:
      on_broken(id);
      break;
  }
}

template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::on_end(TransportId id) {
  sockets_.find(id)->has_ended = true;
  hub_.receive_eof(id);
  // It may have something left to say. Its end would be reported in every batch.
  if (SocketState* socket = sockets_.find(id)) sockets_.report_input(id, *socket, false);
}

template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::on_broken(TransportId id) {
  SocketState& socket = *sockets_.find(id);
  sockets_.unwatch(id, socket);
  socket.has_ended = socket.is_broken = true;
  hub_.receive_eof(id, true);
  // What the hub may still have for it goes nowhere, at once.
  if (SocketState* left = sockets_.find(id)) mark_output(id, *left);
}

template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::write_out(TransportId id) {
  SocketState* socket = sockets_.find(id);
  if (!socket) return;
  socket->has_output = false;
  batch_.clear();
  hub_.gather(id, batch_);
  const std::size_t gathered = batch_.bytes();
  net::Transfer sent;
  if (socket->is_broken)
    sent.bytes = gathered;  // nobody will ever read it
  else if (gathered > 0)
    sent = send_to(socket->descriptor, batch_.pieces());
  if (sent.kind == net::Transfer::Kind::broken) return on_broken(id);

  metrics_.bytes_sent.add(sent.bytes);
  const bool has_more = hub_.written(id, sent.bytes) && gathered > 0;
  socket = sockets_.find(id);
  if (!socket) return;
  // More than one write carries: the next tick goes on. Less than was gathered: the peer must take some
  // first.
  if (has_more && sent.bytes == gathered) mark_output(id, *socket);
  sockets_.report_output_room(id, *socket, has_more && sent.bytes < gathered);
}

template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::accept(std::uint32_t index) {
  acceptor_.accept(index, [this](net::FileDescriptor socket, const net::Address& peer, bool is_admin) {
    metrics_.sockets_accepted.add();
    deal(std::move(socket), peer, is_admin ? Admission::admin : server_->counts.admit(peer));
  });
}

template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::deal(net::FileDescriptor socket, const net::Address& peer,
                                                      Admission admission) {
  if (deals_out_ && admission != Admission::admin) {
    next_shard_ = (next_shard_ + 1) % siblings_.size();
    const auto target = siblings_[next_shard_].lock();
    if (target && target.get() != this)
      return detail::post_function(
          target->executor_,
          [target, moved = std::make_shared<net::FileDescriptor>(std::move(socket)), peer, admission] {
            target->tick([&] { target->open(std::move(*moved), peer, admission); });
          });
  }
  open(std::move(socket), peer, admission);
}

template <class App, template <class, class> class HubTemplate, class ReadinessType>
void ShardLoop<App, HubTemplate, ReadinessType>::open(net::FileDescriptor socket, const net::Address& peer,
                                                      Admission admission) {
  if (!is_finished_)
    sockets_.enter(std::move(socket), peer, admission == Admission::admitted,
                   [&] { return hub_.open(peer, admission); });
}

}  // namespace switchboard::inline v1
