// SPDX-License-Identifier: MIT

/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a token function is told. */
export interface TokenRequest {
  /** The server has ended the last token (close code 4401): one from a cache will not do. */
  hasEnded: boolean;
  /**
   * How many attempts have come to nothing since the last welcome. A browser does not tell a refused token (401) from a
   * server that is away, so where this is not 0 one from a cache may be to blame, too.
   */
  failures: number;
}

/** Asked for each attempt. null stops the client; a rejection counts as a failed attempt. */
export type TokenFunction = (request: TokenRequest) => string | null | Promise<string | null>;

/** The part of a WebSocket that the client uses; the browser's and the one of the package `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

/** Where time comes from. Milliseconds. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, delay: number): unknown;
  clearTimeout(timer: any): void;
}

/** Where news about network and visibility come from. */
export interface Environment {
  isOnline(): boolean;
  /** Returns a function that ends the calls. */
  listen(callbacks: { online(): void; offline(): void; visible(): void }): () => void;
}

export interface Options {
  /** Sent as `?token=`. A string is used until it ends; a function is asked for each attempt. */
  token?: string | TokenFunction;
  /** Needed where there is no global WebSocket, as in Node before 22. */
  WebSocket?: new (url: string) => WebSocketLike;
  /** Wait for connect(). */
  startClosed?: boolean;
  /** A session of an earlier page, with the number up to which its messages were taken in. */
  resume?: { session: string; lastSeq: number };
  /** Full jitter between 0 and min(maximum, base * 2^attempt). Milliseconds; 1000 and 30000. */
  backoff?: { base?: number; maximum?: number };
  /** From the start of an attempt, the token included, to the welcome. Milliseconds; 10000. */
  connectTimeout?: number;
  /** Silence after which a server counts as gone, where its welcome names no heartbeat. Milliseconds; 60000. */
  silenceTimeout?: number;
  /** How long a ping of the client may stay unanswered. Milliseconds; 5000. */
  pingTimeout?: number;
  /** A connection that lived this long starts the backoff anew. Milliseconds; 5000. */
  stableAfter?: number;
  /** Numbered messages between two acknowledgements (every answer to a ping is one too); 50. */
  acknowledgeEvery?: number;
  /** What waits to be sent beyond this many is refused with 'queue-full'; 1000. */
  maxQueued?: number;
  /** Likewise, in bytes (of text: characters); 16 MiB. */
  maxQueuedBytes?: number;
  clock?: Clock;
  environment?: Environment;
  /** From 0 up to 1, like Math.random. */
  random?: () => number;
}

export type State = 'idle' | 'connecting' | 'connected' | 'waiting' | 'suspended' | 'closed';

export interface StateChange {
  state: State;
  previous: State;
  /** connecting, waiting: failed attempts so far. */
  attempt?: number;
  /** waiting: milliseconds until the next attempt. */
  delay?: number;
  /** waiting: the network is said to be away. */
  isOffline?: boolean;
  /** waiting, closed: why the last connection ended. */
  code?: number;
  reason?: string;
  error?: unknown;
  /** connected: there was no session before. */
  isFirst?: boolean;
  /** connected: the session that was asked for was found. */
  isSameSession?: boolean;
  /** connected: messages that come again from the session's log. */
  replayed?: number;
  /** connected: messages lost; null when nobody can tell. */
  missed?: number | null;
}

/** A numbered JSON message: of a channel (`type` is 'message'), or whatever the application sends. */
export interface Message {
  seq: number;
  type?: string;
  channel?: string;
  data?: any;
  /** It was sent while this client was away. */
  replayed: boolean;
  [member: string]: any;
}

export interface ChannelMessage extends Message {
  type: 'message';
  channel: string;
  data: any;
}

export interface PresenceEvent {
  seq: number;
  type: 'join' | 'leave';
  channel: string;
  user: string;
  replayed: boolean;
  [member: string]: any;
}

export interface BinaryMessage {
  type: number;
  seq: number;
  payload: Uint8Array;
  replayed: boolean;
}

export interface Gap {
  /** away: lost while disconnected. slow: dropped for a slow client. broker: between servers. sequence: a number was skipped. */
  reason: 'away' | 'slow' | 'broker' | 'sequence' | (string & {});
  /** null when nobody can tell. */
  missed: number | null;
  /** The channels concerned, where that is known. */
  channels: string[] | null;
  /** false: the old session is gone, and the client has subscribed again in a new one. */
  isSameSession: boolean;
}

export interface Events {
  /** Every numbered JSON message but joins, leaves and gaps. */
  message: Message;
  binary: BinaryMessage;
  presence: PresenceEvent;
  /** Back in the same session, nothing lost; what was missed follows. */
  recovered: { replayed: number };
  /** Messages are lost. */
  gap: Gap;
  /** Another socket has taken the session over; the client is closed. */
  replaced: Record<string, never>;
  state: StateChange;
  /** The server ended a subscription, or refused it in a new session; its handlers are gone. */
  unsubscribed: { channel: string; code: string };
  /** An error that answers no request, or a breach of the protocol. */
  error: SwitchboardError;
}

export interface Answer {
  status: string;
  channel?: string;
  id?: string | number;
  [member: string]: any;
}

export interface PresenceAnswer extends Answer {
  status: 'presence';
  channel: string;
  count: number;
  users: { user: string; [member: string]: any }[];
}

export interface SubscribeOptions {
  /** Hear who joins and leaves: true for the event 'presence', a function for this channel's alone. */
  presence?: boolean | ((event: PresenceEvent) => void);
}

/**
 * The server's error code, or one of the client's: 'unknown-outcome' (may or may not have been done), 'queue-full',
 * 'closed', 'unsubscribed', 'duplicate-id' (not done), 'protocol'.
 */
export class SwitchboardError extends Error {
  private constructor();
  readonly code: string;
  /** The error frame, if there was one. */
  readonly answer?: Record<string, any>;
  /** The close code, if the connection ended by it. */
  readonly closeCode?: number;
}

/**
 * A connection that comes back by itself. Messages are numbered by the server; after a cut the client asks for what it
 * missed, drops what it has already, and reports a loss as a `gap` event. Promises may be ignored: a rejection that
 * nobody handles is no error.
 */
export class ReconnectingWebSocket {
  /** Connects as soon as the present code has run, unless `startClosed`. In a browser the URL may be relative; http(s) means ws(s). */
  constructor(url: string | URL, options?: Options);

  readonly state: State;
  /** The id of the session. A secret: whoever has it and the token can take the session over. */
  readonly session: string | null;
  /** The number up to which messages were taken in. */
  readonly lastSeq: number;
  /** What waits to be sent for the first time. */
  readonly queued: number;
  /** The channels that have a handler. */
  readonly channels: string[];

  /** Returns a function that removes the listener. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void;
  off<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): void;

  /** Connects if idle, closed or suspended; while waiting, tries at once (but not within the pause after 1008). */
  connect(): void;
  /** Drops the connection and stays away until connect(). The session is kept, and what is sent meanwhile is queued. */
  suspend(): void;
  /** Ends it. The session is kept for a later connect(); what is unanswered is rejected. */
  close(code?: number, reason?: string): void;
  /** For the next attempt. */
  setToken(token: string | TokenFunction | undefined): void;

  /** The handler hears the channel from now on, over all reconnects. Kept when the server has confirmed. */
  subscribe(
    channel: string,
    handler: (data: any, message: ChannelMessage) => void,
    options?: SubscribeOptions,
  ): Promise<Answer>;
  /** Without a handler, all of the channel's handlers go. */
  unsubscribe(channel: string, handler?: (data: any, message: ChannelMessage) => void): Promise<Answer>;
  /** Kept when the server has accepted it. After a reconnect, or a refusal for its rate, it is sent again where that is safe. */
  publish(channel: string, data: Json): Promise<Answer>;
  presence(channel: string): Promise<PresenceAnswer>;
  /** A message to the application. With an `id` the promise is for its answer, without for its sending. Never sent twice. */
  send(message: { [key: string]: any }): Promise<Answer | undefined>;
  /** Kept when the socket has taken it; nothing is answered, and it is never sent twice. */
  sendBinary(type: number, payload?: ArrayBuffer | ArrayBufferView): Promise<void>;
}

/** A client's binary frame. */
export function encodeBinary(type: number, payload?: ArrayBuffer | ArrayBufferView): Uint8Array;
/** Takes apart a frame for a stateful client; throws SwitchboardError 'protocol' if it is too short. */
export function decodeBinary(frame: ArrayBuffer | ArrayBufferView): { type: number; seq: number; payload: Uint8Array };
/** The protocol's table of close codes, as the client follows it. */
export function decideAfterClose(code: number): {
  action: 'reconnect' | 'stop' | 'replaced' | 'token';
  minimumDelay: number;
  forgetSession: boolean;
  report: boolean;
};
