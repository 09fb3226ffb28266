import assert from "node:assert/strict";
import { test } from "node:test";
import { bestGrid, smallestTile, wantedHeight } from "../page/layout";
import { applyAddress, readOptions } from "../page/options";
import { cleanName, inventName } from "../page/welcome";
import { deviceError, duration, goodbye, hue, initials, joinError } from "../page/words";

/** The slow obvious twin: tries every number of columns and keeps the widest tile that fits. */
function widest(count: number, w: number, h: number, gap: number): number {
  let best = 0;
  for (let columns = 1; columns <= count; columns++) {
    for (let width = Math.floor(w); width > best; width--) {
      const rows = Math.ceil(count / columns);
      if (columns * width + gap * (columns - 1) <= w && (rows * width * 9) / 16 + gap * (rows - 1) <= h) best = width;
    }
  }
  return best;
}

test("the grid makes tiles as large as they can be", () => {
  for (const [w, h] of [[1264, 660], [380, 660], [600, 600], [1900, 900]] as const) {
    for (const count of [1, 2, 3, 4, 5, 7, 9, 12, 16]) {
      const g = bestGrid(count, w, h, 8);
      const best = widest(count, w, h, 8);
      if (best < smallestTile && count > 1) assert.ok(g.width >= smallestTile, `${count} in ${w}x${h}`);
      else assert.ok(Math.abs(g.width - best) <= 1, `${count} in ${w}x${h}: ${g.width}, not ${best}`);
      assert.ok(g.columns * g.rows >= count);
    }
  }
});

test("a box of no size breaks nothing", () => {
  for (const n of [0, 1, 5]) assert.ok(bestGrid(n, 0, 0, 8).width >= 0);
});

test("pictures are wanted about as large as they are shown", () => {
  assert.deepEqual([80, 120, 352, 700, 4000].map((h) => wantedHeight(h, 1)), [90, 180, 360, 720, 2160]);
  assert.equal(wantedHeight(200, 2), 360);
});

test("options of an address, in both forms", () => {
  const jitsi = readOptions(new URL('https://x/r?jwt=T#config.prejoinConfig.enabled=false&userInfo.displayName="Ada%20L"&config.startWithAudioMuted=true&config.resolution=360'));
  assert.deepEqual(jitsi, { prejoin: false, name: "Ada L", audioMuted: true, videoMuted: false, resolution: 360, token: "T" });
  const short = readOptions(new URL("https://x/r#config.prejoin=false&name=Ada&videoMuted=true"));
  assert.deepEqual([short.prejoin, short.name, short.videoMuted], [false, "Ada", true]);
  assert.equal(readOptions(new URL("https://x/r")).prejoin, true);
});

test("an address cannot change where the page connects", () => {
  const before = { websocket: "wss://good", hosts: { domain: "d" }, videoQuality: { other: 1 } };
  const after = applyAddress(before, new URL('https://x/r#config.websocket="wss://evil"&config.hosts.domain="e"&config.conferenceRequestUrl="https://evil"&config.videoQuality.codecPreferenceOrder=["VP9"]'));
  assert.deepEqual(after, { ...before, videoQuality: { other: 1, codecPreferenceOrder: ["VP9"] } });
});

test("names of meetings", () => {
  assert.equal(cleanName("  Weekly / Planning? <b> "), "Weekly-Planning-b");
  assert.match(inventName(), /^[a-z]+-[a-z]+-\d{4}$/);
});

test("words", () => {
  assert.deepEqual(["Ada Lovelace", "ada", "", "Ádám de Zsolt", "😀 x"].map(initials), ["AL", "A", "?", "ÁZ", "😀X"]);
  assert.equal(hue("abc"), hue("abc"));
  assert.deepEqual([0, 61_000, 3_661_000].map(duration), ["00:00", "01:01", "1:01:01"]);
  assert.match(joinError("failed", "why"), /why/);
  assert.match(joinError("full", ""), /full/);
  assert.equal(goodbye({ kind: "kicked", by: "Bob", reason: "" })[1], "Bob removed you.");
  assert.match(deviceError(new Error(), "camera"), /https/);
});
