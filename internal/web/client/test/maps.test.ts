import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOffer } from "../protocol/jingle";
import { applyMappings, readMappings, release, type Mapping } from "../protocol/maps";
import { splitSdp, writeOffer, type Line } from "../protocol/sdp";
import { parse } from "../protocol/xml";
import { offerXml } from "./offer";

const offer = parseOffer(parse(offerXml));

const video = (...mappedSources: unknown[]): Mapping[] => readMappings({ colibriClass: "VideoSourcesMap", mappedSources });
const v = (source: string, ssrc: number, more: object = {}): unknown => ({ source, owner: source.slice(0, 8), ssrc, rtx: ssrc + 1, videoType: "CAMERA", ...more });

/** A list of m-lines with the two that every session has, and a way to make more. */
function list(): { lines: Line[]; make: (kind: string) => Line } {
  const lines: Line[] = [];
  const make = (kind: string): Line => {
    const line: Line = { mid: String(lines.length), content: offer.contents[kind === "audio" ? 0 : 1]!, direction: "sendonly", source: undefined, rids: 0 };
    lines.push(line);
    return line;
  };
  make("audio");
  make("video");
  return { lines, make };
}

test("a map is read, and nonsense in it is left out", () => {
  assert.deepEqual(
    readMappings({ colibriClass: "AudioSourcesMap", mappedSources: [{ source: "aaaa0000-a0", owner: "aaaa0000", ssrc: 7, mid: "a0" }] }),
    [{ kind: "audio", source: "aaaa0000-a0", owner: "aaaa0000", ssrc: 7, rtx: 0, videoType: "camera" }],
  );
  assert.deepEqual(video(v("aaaa0000-v1", 9, { videoType: "DESKTOP_HIGH_FPS" })).map((m) => [m.rtx, m.videoType]), [[10, "desktop"]]);
  assert.deepEqual(video(v("a", 9, { rtx: "-1" })).map((m) => m.rtx), [0]);
  assert.deepEqual(video(v("", 9), v("a", 0), v("a", 2 ** 32), v("a", 1.5), { ssrc: 1 }), []);
  assert.deepEqual(readMappings({ colibriClass: "VideoSourcesMap" }), []);
  assert.deepEqual(readMappings({ colibriClass: "ServerHello", mappedSources: [v("a", 9)] }), []);
});

test("an SSRC becomes an m-line once and then changes hands without negotiation", () => {
  const { lines, make } = list();
  assert.equal(applyMappings(lines, video(v("aaaa0000-v0", 100), v("bbbb0000-v0", 200)), make), true);
  const before = writeOffer(lines, offer.transport, 1);
  const { media } = splitSdp(before);
  assert.deepEqual(media.slice(2).map((m) => m.value("ssrc-group")), ["FID 100 101", "FID 200 201"]);
  assert.deepEqual(lines.slice(2).map((l) => l.source?.name), ["aaaa0000-v0", "bbbb0000-v0"]);
  assert.equal(applyMappings(lines, video(v("cccc0000-v0", 100)), make), false);
  assert.deepEqual(lines.slice(2).map((l) => [l.source?.name, l.source?.owner]), [["cccc0000-v0", "cccc0000"], ["bbbb0000-v0", "bbbb0000"]]);
  assert.equal(writeOffer(lines, offer.transport, 1), before, "what the browser sees does not depend on whose it is");
});

test("a source is on one m-line only", () => {
  const { lines, make } = list();
  applyMappings(lines, video(v("aaaa0000-v0", 100)), make);
  applyMappings(lines, video(v("aaaa0000-v0", 200)), make);
  assert.deepEqual(lines.slice(2).map((l) => l.source?.name), ["", "aaaa0000-v0"]);
  applyMappings(lines, video(v("aaaa0000-v0", 100)), make);
  assert.deepEqual(lines.slice(2).map((l) => l.source?.name), ["aaaa0000-v0", ""]);
});

test("two that change places do", () => {
  const { lines, make } = list();
  applyMappings(lines, video(v("aaaa0000-v0", 100), v("bbbb0000-v0", 200)), make);
  applyMappings(lines, video(v("bbbb0000-v0", 100), v("aaaa0000-v0", 200)), make);
  assert.deepEqual(lines.slice(2).map((l) => l.source?.name), ["bbbb0000-v0", "aaaa0000-v0"]);
});

test("what is told again changes nothing, not even the object", () => {
  const { lines, make } = list();
  applyMappings(lines, video(v("aaaa0000-v0", 100)), make);
  const source = lines[2]!.source;
  assert.equal(applyMappings(lines, video(v("aaaa0000-v0", 100)), make), false);
  assert.equal(lines[2]!.source, source);
});

test("an m-line whose owner has left can be given to somebody else, or back", () => {
  const { lines, make } = list();
  applyMappings(lines, video(v("aaaa0000-v0", 100)), make);
  release(lines[2]!);
  assert.deepEqual([lines[2]!.source?.name, lines[2]!.source?.owner, lines[2]!.direction], ["", "", "sendonly"]);
  assert.equal(applyMappings(lines, video(v("aaaa0000-v0", 100)), make), false);
  assert.equal(lines[2]!.source?.owner, "aaaa0000");
});

test("a kind that was not offered is not there", () => {
  assert.equal(applyMappings([], video(v("aaaa0000-v0", 100)), () => undefined), false);
});
