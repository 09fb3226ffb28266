import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange, bestGrid, mostTiles, pagedGrid, pagesOf, smallestTile, stripLayout } from "../page/layout";
import { applyAddress, readOptions } from "../page/options";
import { cleanName, inventName } from "../page/welcome";
import { deviceError, duration, goodbye, hue, initials, joinError, matches } from "../page/words";

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
      assert.ok(Math.abs(g.width - best) <= 1, `${count} in ${w}x${h}: ${g.width}, not ${best}`);
      assert.ok(g.columns * g.rows >= count);
    }
  }
});

test("what does not fit goes to other pages, of which each fills the box", () => {
  for (const [w, h] of [[1264, 600], [344, 560], [1900, 900], [3800, 2000]] as const) {
    for (const count of [1, 2, 5, 12, 30, 50, 301]) {
      const g = pagedGrid(count, w, h, 8);
      assert.ok(g.perPage >= 1 && g.perPage <= Math.min(mostTiles, count), `${count} in ${w}x${h}: ${g.perPage}`);
      if (g.perPage > 1) assert.ok(g.width >= smallestTile(w), `${count} in ${w}x${h}: ${g.width}`);
      const room = g.perPage < count ? h - 44 : h;
      assert.ok(g.columns * g.width + 8 * (g.columns - 1) <= w && g.rows * g.height + 8 * (g.rows - 1) <= room, `${count} in ${w}x${h}`);
      assert.ok(g.columns * g.rows >= g.perPage);
    }
  }
  assert.equal(pagedGrid(4, 1264, 600, 8).perPage, 4);
});

test("the strip lies where it leaves most of the large picture", () => {
  assert.equal(stripLayout(5, 1264, 600, 8).side, "right");
  assert.equal(stripLayout(5, 920, 620, 8).side, "below");
  assert.deepEqual([stripLayout(5, 344, 560, 8).side, stripLayout(5, 344, 560, 8).perPage, stripLayout(2, 344, 560, 8).rows], ["under", 6, 1]);
  for (const [w, h] of [[1264, 600], [920, 620], [600, 340]] as const) {
    const s = stripLayout(300, w, h, 8);
    const along = s.side === "right" ? s.perPage * (s.height + 8) + 44 : s.perPage * (s.width + 8) + 120;
    assert.ok(s.perPage >= 1 && along <= Math.max(w, h) + 8 && s.perPage < 300, `${s.side} ${s.perPage}`);
  }
});

test("we are the last of the first page", () => {
  assert.deepEqual(arrange(["s"], ["a", "b", "c", "d"], "me", 3), ["s", "a", "me", "b", "c", "d"]);
  assert.deepEqual(arrange([], ["a"], "me", 9), ["a", "me"]);
  assert.deepEqual(arrange([], ["a"], "me", 1), ["me", "a"]);
  assert.deepEqual([[0, 4], [8, 4], [9, 4], [3, 0]].map(([n, per]) => pagesOf(n!, per!)), [1, 2, 3, 3]);
});

test("a box of no size breaks nothing", () => {
  for (const n of [0, 1, 5, 300]) {
    for (const g of [bestGrid(n, 0, 0, 8), pagedGrid(n, 0, 0, 8), stripLayout(n, 0, 0, 8)]) assert.ok(g.width >= 0 && g.columns >= 1);
    assert.ok(pagedGrid(n, -16, -16, 8).perPage >= 1);
  }
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

test("people are found by parts of their names, without marks and case", () => {
  assert.deepEqual(["ada", "LOVE", "lov ad", "adá", "x", "ada x"].map((q) => matches("Áda Lovelace", q)), [true, true, true, true, false, false]);
});

test("words", () => {
  assert.deepEqual(["Ada Lovelace", "ada", "", "Ádám de Zsolt", "😀 x"].map(initials), ["AL", "A", "?", "ÁZ", "😀X"]);
  assert.deepEqual(["Guest 12", "Guest 13", "Number 300", "Guest 86e3", "7", "Room 2 Bob", "Phone 49151123"].map(initials), ["12", "13", "300", "86e3", "7", "RB", "P4"]);
  assert.equal(hue("abc"), hue("abc"));
  assert.deepEqual([0, 61_000, 3_661_000].map(duration), ["00:00", "01:01", "1:01:01"]);
  assert.match(joinError("failed", "why"), /why/);
  assert.match(joinError("full", ""), /full/);
  assert.equal(goodbye({ kind: "kicked", by: "Bob", reason: "" })[1], "Bob removed you.");
  assert.match(deviceError(new Error(), "camera"), /https/);
});
