import type { BridgeMessage } from "./channel";
import type { Kind, Source } from "./media";
import type { Line } from "./sdp";

/**
 * What one of the bridge's SSRCs carries from now on. The bridge has a bounded
 * number of them for us; each is an m-line that is made once and then passed
 * from source to source, without another negotiation.
 */
export interface Mapping {
  kind: Kind;
  source: string;
  owner: string;
  ssrc: number;
  /** 0 when there are no retransmissions. */
  rtx: number;
  videoType: Source["videoType"];
}

const kinds: Record<string, Kind> = { AudioSourcesMap: "audio", VideoSourcesMap: "video" };

/** The mappings of a message; what makes no sense is left out. */
export function readMappings(m: BridgeMessage): Mapping[] {
  const kind = kinds[m.colibriClass];
  const all = m["mappedSources"];
  if (!kind || !Array.isArray(all)) return [];
  return all.flatMap((x: Record<string, unknown>) => {
    const { source, owner, ssrc } = x;
    if (typeof source !== "string" || !source || typeof owner !== "string" || !isSsrc(ssrc)) return [];
    const desktop = String(x["videoType"] ?? "").toLowerCase().startsWith("desktop");
    const rtx = kind === "video" && isSsrc(x["rtx"]) ? x["rtx"] : 0;
    return [{ kind, source, owner, ssrc, rtx, videoType: desktop ? "desktop" as const : "camera" as const }];
  });
}

const isSsrc = (n: unknown): n is number => Number.isInteger(n) && (n as number) > 0 && (n as number) <= 0xffffffff;

/**
 * Carries mappings out on the list of m-lines. makeLine gives an unused one for
 * an SSRC that is new. Only then must there be a negotiation, and true is
 * returned.
 */
export function applyMappings(lines: Line[], mappings: Mapping[], makeLine: (kind: Kind) => Line | undefined): boolean {
  let fresh = false;
  for (const m of mappings) {
    let line = lines.find((l) => l.mapped && l.source?.ssrcs[0] === m.ssrc);
    for (const l of lines) if (l !== line && l.mapped && l.source?.name === m.source) release(l);
    if (line?.source) {
      const { name, owner, videoType } = line.source;
      if (name !== m.source || owner !== m.owner || videoType !== m.videoType) line.source = { ...line.source, ...labelOf(m) };
      continue;
    }
    if (!(line = makeLine(m.kind))) continue;
    [line.mapped, line.direction, line.source] = [true, "sendonly", sourceOf(m)];
    fresh = true;
  }
  return fresh;
}

/** The m-line is nobody's until the bridge says whose it is. */
export function release(line: Line): void {
  if (line.source) line.source = { ...line.source, name: "", owner: "" };
}

const labelOf = (m: Mapping): Pick<Source, "name" | "owner" | "videoType"> => ({ name: m.source, owner: m.owner, videoType: m.videoType });

function sourceOf(m: Mapping): Source {
  const name = `slot-${m.kind}-${m.ssrc}`;
  return {
    ...labelOf(m), kind: m.kind, msid: `${name} ${name}`, cname: name,
    ssrcs: m.rtx ? [m.ssrc, m.rtx] : [m.ssrc],
    groups: m.rtx ? [{ semantics: "FID", ssrcs: [m.ssrc, m.rtx] }] : [],
  };
}
