import { NS } from "./names";
import { sha1 } from "./sha1";
import { el, type Element } from "./xml";

const node = "https://github.com/plenum-conf/plenum";
const identity = { category: "client", type: "web", name: "plenum" };

/** What this client can do, as the focus reads it to choose what to offer. */
export const features: readonly string[] = [
  "http://jabber.org/protocol/caps",
  NS.disco,
  "http://jitsi.org/json-encoded-sources",
  "http://jitsi.org/receive-multiple-video-streams",
  "http://jitsi.org/remb",
  "http://jitsi.org/source-name",
  "http://jitsi.org/ssrc-rewriting-1",
  "http://jitsi.org/start-muted-room-metadata",
  "http://jitsi.org/tcc",
  "urn:ietf:rfc:4588",
  NS.jingle,
  NS.rtp,
  "urn:xmpp:jingle:apps:rtp:audio",
  "urn:xmpp:jingle:apps:rtp:video",
  NS.dtls,
  NS.sctp,
  NS.ice,
  NS.ping,
].sort();

/** The verification string of XEP-0115 §5.1 over what discoInfo answers. */
export function verification(list: readonly string[] = features): string {
  const s = `${identity.category}/${identity.type}//${identity.name}<` + [...list].sort().map((f) => `${f}<`).join("");
  return btoa(String.fromCharCode(...sha1(new TextEncoder().encode(s))));
}

/** The <c/> of our presence. */
export function capsElement(): Element {
  return el("c", { xmlns: NS.caps, hash: "sha-1", node, ver: verification() });
}

/** The answer to a disco#info query (XEP-0030 §3.1); node is echoed. */
export function discoInfo(query: Element): Element {
  return el(
    "query",
    { xmlns: NS.disco, node: query.attr("node") || undefined },
    el("identity", identity),
    features.map((f) => el("feature", { var: f })),
  );
}
