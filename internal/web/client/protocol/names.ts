/** Namespaces, by the short names this library uses for them. */
export const NS = {
  framing: "urn:ietf:params:xml:ns:xmpp-framing",
  streams: "http://etherx.jabber.org/streams",
  sasl: "urn:ietf:params:xml:ns:xmpp-sasl",
  bind: "urn:ietf:params:xml:ns:xmpp-bind",
  sm: "urn:xmpp:sm:3",
  stanzas: "urn:ietf:params:xml:ns:xmpp-stanzas",
  client: "jabber:client",
  ping: "urn:xmpp:ping",
  disco: "http://jabber.org/protocol/disco#info",
  caps: "http://jabber.org/protocol/caps",
  extdisco: "urn:xmpp:extdisco:2",
  muc: "http://jabber.org/protocol/muc",
  mucUser: "http://jabber.org/protocol/muc#user",
  mucAdmin: "http://jabber.org/protocol/muc#admin",
  mucOwner: "http://jabber.org/protocol/muc#owner",
  form: "jabber:x:data",
  nick: "http://jabber.org/protocol/nick",
  delay: "urn:xmpp:delay",
  jitmeet: "http://jitsi.org/jitmeet",
  focus: "http://jitsi.org/protocol/focus",
  colibri: "http://jitsi.org/protocol/colibri",
  jingle: "urn:xmpp:jingle:1",
  rtp: "urn:xmpp:jingle:apps:rtp:1",
  feedback: "urn:xmpp:jingle:apps:rtp:rtcp-fb:0",
  extension: "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0",
  source: "urn:xmpp:jingle:apps:rtp:ssma:0",
  dtls: "urn:xmpp:jingle:apps:dtls:0",
  ice: "urn:xmpp:jingle:transports:ice-udp:1",
  sctp: "urn:xmpp:jingle:transports:dtls-sctp:1",
  grouping: "urn:xmpp:jingle:apps:grouping:0",
  lastN: "jitsi:colibri2",
} as const;

/** What a participant may be muted for; the namespace of the mute element ends in it. */
export type MuteKind = "audio" | "video" | "desktop";
export const muteNS = (kind: MuteKind): string => `${NS.jitmeet}/${kind}`;

/** The part of a JID after the first slash; "" when there is none. */
export function resourceOf(jid: string): string {
  const i = jid.indexOf("/");
  return i < 0 ? "" : jid.slice(i + 1);
}

export function bareOf(jid: string): string {
  const i = jid.indexOf("/");
  return i < 0 ? jid : jid.slice(0, i);
}

export function nodeOf(jid: string): string {
  const i = bareOf(jid).indexOf("@");
  return i < 0 ? "" : jid.slice(0, i);
}

/**
 * The node of a room's JID for a name as people write it. Stock clients
 * compose, lower-case and percent-encode; to meet them we must do the same.
 */
export function roomNode(name: string): string {
  let decoded = name;
  try {
    decoded = decodeURIComponent(name);
  } catch {
    // A bare percent sign is part of the name.
  }
  return encodeURIComponent(decoded.normalize("NFKC").toLowerCase()).toLowerCase();
}

/**
 * The endpoint id for a user: the first eight hex digits of the name the
 * server gave, or random ones. It is the nickname in the room and the id at
 * the bridge.
 */
export function endpointId(jid: string): string {
  const head = nodeOf(jid).slice(0, 8).toLowerCase();
  return /^[0-9a-f]{8}$/.test(head) ? head : randomHex(8);
}

export function randomHex(digits: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(Math.ceil(digits / 2)));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("").slice(0, digits);
}

/** Waits. */
export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
