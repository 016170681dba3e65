import { TRANSIENT_CODES, type ErrorCode, type WireError } from "./generated/protocol";

/** Codes that the page itself adds: nothing came back at all. */
export type LocalCode = "disconnected" | "timeout" | "network";
export type AnyCode = ErrorCode | LocalCode;

/** A refused request, from the websocket or from HTTP, or one that had no answer. */
export class RequestError extends Error {
  constructor(
    readonly code: AnyCode,
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
    this.name = "RequestError";
  }

  static from(error: WireError): RequestError {
    return new RequestError(error.code, error.message, error.retry_after_ms);
  }

  /** A later attempt makes sense without anybody changing anything. */
  get transient(): boolean {
    return isTransient(this.code);
  }
}

export function isTransient(code: AnyCode): boolean {
  return code === "disconnected" || code === "timeout" || code === "network" || TRANSIENT_CODES.includes(code);
}

/** The join token is of no use any more: ask for a new one, then say hello again. */
export function needsNewToken(code: AnyCode): boolean {
  return code === "token_expired" || code === "token_invalid";
}
