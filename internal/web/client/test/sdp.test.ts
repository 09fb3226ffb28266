import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOffer } from "../protocol/jingle";
import { mungeSimulcast, preferCodec, readContent, readSent, readTransport, Section, splitSdp, writeOffer, type Line } from "../protocol/sdp";
import { parse } from "../protocol/xml";
import { offerXml } from "./offer";

const offer = parseOffer(parse(offerXml));
const line = (mid: string, i: number, direction: Line["direction"], source?: Line["source"], rids = 0): Line => ({
  mid, content: offer.contents[i]!, direction, source, rids,
});

test("an offer is written line by line", () => {
  const sdp = writeOffer([line("0", 0, "sendrecv"), line("1", 1, "sendrecv", undefined, 3), line("2", 1, "sendonly", offer.sources[2])], offer.transport, 7);
  const { session, media } = splitSdp(sdp);
  assert.equal(session.value("group"), "BUNDLE 0 1 2");
  assert.ok(sdp.startsWith("v=0\r\no=- 1 7 IN IP4 0.0.0.0\r\n"));
  assert.deepEqual(media.map((m) => [m.mid, m.kind]), [["0", "audio"], ["1", "video"], ["2", "video"]]);
  assert.equal(media[0]!.values("candidate").length, 1);
  assert.equal(media[1]!.value("simulcast"), "recv 1;2;3");
  assert.equal(media[2]!.value("ssrc-group"), "FID 3001 3002");
  assert.equal(media[2]!.value("msid"), "ffff0000-video-0-1 77aa-1");
  assert.ok(media[1]!.values("fmtp").includes("107 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1"));
});

test("an m-line that is not sent names no source", () => {
  const { media } = splitSdp(writeOffer([line("0", 1, "inactive", offer.sources[2])], offer.transport, 1));
  assert.equal(media[0]!.values("ssrc").length, 0);
});

test("the wanted codec and its retransmission come first", () => {
  assert.deepEqual(preferCodec(offer.contents[1]!, "vp8").payloads.map((p) => p.id), [100, 96, 41, 107]);
  assert.deepEqual(preferCodec(offer.contents[1]!, "none").payloads.map((p) => p.id), [41, 100, 107, 96]);
});

const chromium = [
  "v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=ice-ufrag:u", "a=ice-pwd:p", "a=fingerprint:sha-256 AA", "a=setup:active", "a=mid:0", "a=sendrecv", "a=rtpmap:111 opus/48000/2", "a=ssrc:5 cname:c",
  "a=candidate:1 1 udp 5 192.0.2.1 4000 typ host", "a=candidate:2 1 udp 5 x.local 4000 typ host", "a=candidate:3 1 tcp 5 192.0.2.1 9 typ host tcptype active",
  "m=video 9 UDP/TLS/RTP/SAVPF 100 96", "a=mid:1", "a=sendrecv", "a=msid:s t", "a=rtpmap:100 VP8/90000", "a=rtcp-fb:100 nack pli", "a=rtpmap:96 rtx/90000", "a=fmtp:96 apt=100",
  "a=extmap:5/sendonly urn:x", "a=ssrc-group:FID 10 11", "a=ssrc:10 cname:c", "a=ssrc:11 cname:c", "",
].join("\r\n");

test("munging adds two encodings, the same ones every time", () => {
  const cache = new Map();
  const once = mungeSimulcast(chromium, "1", cache);
  const sent = readSent(splitSdp(once).media[1]!);
  assert.equal(sent.ssrcs.length, 6);
  assert.equal(sent.ssrcs[0], 10);
  assert.deepEqual(sent.groups.map((g) => g.semantics), ["SIM", "FID", "FID", "FID"]);
  assert.deepEqual(sent.groups[1]!.ssrcs, [10, 11]);
  assert.equal(mungeSimulcast(chromium, "1", cache), once);
  assert.equal(mungeSimulcast(once, "1", cache), once);
  assert.equal(splitSdp(once).media[0]!.lines.join(), splitSdp(chromium).media[0]!.lines.join());
});

test("an m-line that does not send is left alone", () => {
  const idle = chromium.replace("a=sendrecv\r\na=msid", "a=recvonly\r\na=msid");
  assert.equal(mungeSimulcast(idle, "1", new Map()), idle);
});

test("encodings by rid get a SIM group in the order they are listed", () => {
  const s = new Section("m=video 9 X 100\r\na=mid:1\r\na=sendrecv\r\na=ssrc:1 cname:c\r\na=ssrc:2 cname:c\r\na=ssrc:3 cname:c\r\na=ssrc:4 cname:c\r\na=ssrc-group:FID 1 2\r\na=ssrc-group:FID 3 4\r\n");
  assert.deepEqual(readSent(s), {
    ssrcs: [1, 3, 2, 4],
    groups: [{ semantics: "SIM", ssrcs: [1, 3] }, { semantics: "FID", ssrcs: [1, 2] }, { semantics: "FID", ssrcs: [3, 4] }],
  });
});

test("the answer is read back", () => {
  const t = readTransport(chromium);
  assert.deepEqual([t.ufrag, t.pwd, t.fingerprint.setup], ["u", "p", "active"]);
  assert.deepEqual(t.candidates.map((c) => c.ip), ["192.0.2.1"]);
  const c = readContent(splitSdp(chromium).media[1]!, "video");
  assert.deepEqual(c.payloads.map((p) => [p.name, p.feedback, p.parameters]), [["VP8", ["nack pli"], []], ["rtx", [], [["apt", "100"]]]]);
  assert.deepEqual(c.extensions, [{ id: 5, uri: "urn:x" }]);
});
