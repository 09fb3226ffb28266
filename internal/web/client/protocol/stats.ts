import type { Session } from "./session";

/** How one source that we receive is doing. Counters only grow within a session. */
export interface ReceivedStats {
  name: string;
  kind: "audio" | "video";
  ssrc: number;
  packets: number;
  lost: number;
  bytes: number;
  /** Whole pictures that came, and those of them that were decoded. */
  framesReceived: number;
  framesDecoded: number;
  /** Pictures that came so late that one sees it. */
  freezes: number;
  width: number;
  height: number;
  fps: number;
  /** Sum of squared samples over seconds: it grows while something is heard. */
  audioEnergy: number;
  audioLevel: number;
  /** Lower-case. */
  codec: string;
}

/** How one encoding that we send is doing. */
export interface SentStats {
  name: string;
  ssrc: number;
  active: boolean;
  packets: number;
  /** Packets that the bridge reports as lost. */
  lost: number;
  bytes: number;
  framesEncoded: number;
  /** Why the pictures are worse than they could be: "cpu", "bandwidth", "other", or "none". */
  limitedBy: string;
  width: number;
  height: number;
  fps: number;
  codec: string;
}

export interface SessionStats {
  received: ReceivedStats[];
  sent: SentStats[];
  /** Round trip to the bridge in ms; 0 when unknown. */
  rtt: number;
  /** Estimated bit/s we may send; 0 when unknown. */
  availableOut: number;
  bytesIn: number;
  bytesOut: number;
}

type Report = Record<string, unknown>;

export async function readStats(session: Session): Promise<SessionStats> {
  const reports = new Map<string, Report>();
  (await session.pc.getStats()).forEach((r: Report, id: string) => reports.set(id, r));
  const all = [...reports.values()];
  const pair = all.find((r) => r["type"] === "candidate-pair" && (r["nominated"] || r["selected"]) && r["state"] === "succeeded");
  return {
    received: all.filter((r) => r["type"] === "inbound-rtp").flatMap((r) => readReceived(session, r, reports)),
    sent: all.filter((r) => r["type"] === "outbound-rtp").map((r) => readSent(session, r, reports)),
    rtt: num(pair, "currentRoundTripTime") * 1000,
    availableOut: num(pair, "availableOutgoingBitrate"),
    bytesIn: num(pair, "bytesReceived"),
    bytesOut: num(pair, "bytesSent"),
  };
}

function readReceived(session: Session, r: Report, reports: Map<string, Report>): ReceivedStats[] {
  const name = session.nameOf(String(r["mid"] ?? ""));
  if (!name || name.startsWith(`${session.options.id}-`)) return [];
  return [
    {
      name, kind: r["kind"] === "audio" ? "audio" : "video", ssrc: num(r, "ssrc"), packets: num(r, "packetsReceived"),
      lost: num(r, "packetsLost"), bytes: num(r, "bytesReceived"),
      framesReceived: num(r, "framesReceived"), framesDecoded: num(r, "framesDecoded"),
      freezes: num(r, "freezeCount"), width: num(r, "frameWidth"), height: num(r, "frameHeight"), fps: num(r, "framesPerSecond"),
      audioEnergy: num(r, "totalAudioEnergy"), audioLevel: num(r, "audioLevel"),
      codec: codecOf(r, reports),
    },
  ];
}

function readSent(session: Session, r: Report, reports: Map<string, Report>): SentStats {
  return {
    name: session.nameOf(String(r["mid"] ?? "")), ssrc: num(r, "ssrc"), active: r["active"] !== false, packets: num(r, "packetsSent"),
    lost: num(reports.get(String(r["remoteId"] ?? "")), "packetsLost"), bytes: num(r, "bytesSent"), framesEncoded: num(r, "framesEncoded"),
    limitedBy: String(r["qualityLimitationReason"] ?? "none"), width: num(r, "frameWidth"), height: num(r, "frameHeight"), fps: num(r, "framesPerSecond"), codec: codecOf(r, reports),
  };
}

function codecOf(r: Report, reports: Map<string, Report>): string {
  const type = String(reports.get(String(r["codecId"] ?? ""))?.["mimeType"] ?? "");
  return type.replace(/^.*\//, "").toLowerCase();
}

function num(r: Report | undefined, key: string): number {
  const v = r?.[key];
  return typeof v === "number" ? v : 0;
}

/** Makes the EndpointStats of the interval between two readings. */
export class EndpointStats {
  #last: { stats: SessionStats; at: number } | undefined;

  next(stats: SessionStats, now: number, maxHeight: number): Record<string, unknown> {
    const before = this.#last;
    this.#last = { stats, at: now };
    const seconds = before ? Math.max(0.001, (now - before.at) / 1000) : 1;
    const rate = (a: number, b: number | undefined): number => Math.max(0, Math.round(((a - (b ?? a)) * 8) / 1000 / seconds));
    const download = Math.round(downloadLoss(stats.received, before?.stats.received ?? []));
    const upload = Math.round(lossPercent(stats.sent, before?.stats.sent ?? []));
    const total = Math.max(download, upload);
    return {
      bitrate: { upload: rate(stats.bytesOut, before?.stats.bytesOut), download: rate(stats.bytesIn, before?.stats.bytesIn) },
      packetLoss: { total, upload, download },
      connectionQuality: Math.max(0, 100 - 4 * total),
      jvbRTT: Math.round(stats.rtt),
      maxEnabledResolution: maxHeight,
    };
  }
}

type Counters = { ssrc: number; packets: number; lost: number };

function lossPercent(now: Counters[], before: Counters[]): number {
  let [packets, lost] = [0, 0];
  for (const r of now) {
    const b = before.find((x) => x.ssrc === r.ssrc);
    packets += r.packets - (b?.packets ?? 0);
    lost += r.lost - (b?.lost ?? 0);
  }
  return lost <= 0 || packets + lost <= 0 ? 0 : (100 * lost) / (packets + lost);
}

/** Packets of a sender that must have come before a share of lost ones means anything. */
export const enough = 50;

/** What is lost of few senders only was lost on their way to the bridge: we do not say of it that it was on ours. */
function downloadLoss(now: ReceivedStats[], before: ReceivedStats[]): number {
  const by = new Map<string, ReceivedStats[]>();
  for (const r of now) {
    const owner = r.name.slice(0, r.name.lastIndexOf("-"));
    by.set(owner, [...(by.get(owner) ?? []), r]);
  }
  const packets = (list: ReceivedStats[]): number => list.reduce((sum, r) => sum + r.packets - (before.find((x) => x.ssrc === r.ssrc)?.packets ?? 0), 0);
  const measured = [...by.values()].filter((list) => packets(list) >= enough);
  return measured.length > 0 ? usual(measured.map((list) => lossPercent(list, before))) : lossPercent(now, before);
}

/** The value in the middle, of two the lower; 0 of none. */
export function usual(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}
