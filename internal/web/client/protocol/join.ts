import { RequestError } from "./request";
import { StanzaError } from "./stanza";

/** Why we are not let in. */
export type JoinReason =
  | "password" | "lobby" | "full" | "not-allowed" | "authentication-required" | "unreachable" | "not-live" | "failed";

export class JoinError extends Error {
  constructor(
    readonly reason: JoinReason,
    message: string,
  ) {
    super(message);
    this.name = "JoinError";
  }
}

const reasons: Record<string, JoinReason> = {
  "not-authorized": "password",
  "registration-required": "lobby",
  "service-unavailable": "full",
  "not-allowed": "not-allowed",
  forbidden: "not-allowed",
};

/** Puts an error of any stage into the words of JoinReason. */
export function joinError(err: unknown): JoinError {
  if (err instanceof JoinError) return err;
  const message = err instanceof Error ? err.message : String(err);
  if (err instanceof StanzaError) return new JoinError(reasons[err.condition] ?? "failed", message);
  if (err instanceof RequestError) {
    const known = err.reason === "refused" ? "failed" : err.reason;
    return new JoinError(known, message);
  }
  return new JoinError(/cannot be reached|lost|closed|answer/.test(message) ? "unreachable" : "failed", message);
}
