/**
 * SHA-1 (RFC 3174), for XEP-0115 only: it names a set of features and
 * protects nothing. crypto.subtle has it too, but not on plain-http pages.
 */
export function sha1(data: Uint8Array): Uint8Array {
  const h = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]);
  const padded = pad(data);
  const view = new DataView(padded.buffer);
  const w = new Uint32Array(80);
  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(block + 4 * i);
    for (let i = 16; i < 80; i++) w[i] = rotate(w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!, 1);
    mix(h, w);
  }
  const out = new DataView(new ArrayBuffer(20));
  h.forEach((word, i) => out.setUint32(4 * i, word));
  return new Uint8Array(out.buffer);
}

function pad(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64);
  out.set(data);
  out[data.length] = 0x80;
  new DataView(out.buffer).setUint32(out.length - 4, data.length * 8);
  return out;
}

function mix(h: Uint32Array, w: Uint32Array): void {
  let [a, b, c, d, e] = h as unknown as [number, number, number, number, number];
  for (let i = 0; i < 80; i++) {
    const t = (rotate(a, 5) + round(i, b, c, d) + e + w[i]!) >>> 0;
    [e, d, c, b, a] = [d, c, rotate(b, 30), a, t];
  }
  [a, b, c, d, e].forEach((v, i) => (h[i] = h[i]! + v));
}

function round(i: number, b: number, c: number, d: number): number {
  if (i < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (i < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (i < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotate(x: number, n: number): number {
  return ((x << n) | (x >>> (32 - n))) >>> 0;
}
