/**
 * My paper of an online secret ballot. It stays in this tab: the token is made here, and the server
 * has only ever seen it blinded until it comes back in a request without identity.
 */
import type { Choice } from "@/protocol/generated/protocol";
import { RequestError } from "@/protocol/errors";
import { blind, finalize, fromBase64, publicKey, random, sha256Hex, toBase64 } from "./blind";

interface Kept {
  token: string;
  randomizer: string;
  signature: string;
  cast: boolean;
}

const place = (ballot: string) => `ballot-paper-${ballot}`;

export function kept(ballot: string): Kept | null {
  const text = sessionStorage.getItem(place(ballot));
  return text ? (JSON.parse(text) as Kept) : null;
}

/** `sign` asks the room, with identity, to sign what it cannot read. */
export async function fetchPaper(ballot: string, key: string, sign: (blinded: string) => Promise<string>): Promise<void> {
  const token = random(32);
  const public_ = await publicKey(fromBase64(key));
  const made = await blind(public_, token);
  const answer = await sign(toBase64(made.blinded));
  const signature = await finalize(public_, token, made.randomizer, made.inverse, fromBase64(answer));
  if (!signature) throw new RequestError("internal", "");
  const paper: Kept = { token: toBase64(token), randomizer: toBase64(made.randomizer), signature: toBase64(signature), cast: false };
  sessionStorage.setItem(place(ballot), JSON.stringify(paper));
}

/** Without cookie, referrer or anything else that says who casts. */
export async function castPaper(session: string, ballot: string, choices: Choice[], writeIn: string[]): Promise<void> {
  const paper = kept(ballot);
  if (!paper) throw new RequestError("conflict", "");
  const { token, randomizer, signature } = paper;
  let response: Response;
  try {
    response = await fetch(`/api/sessions/${encodeURIComponent(session)}/ballots/${encodeURIComponent(ballot)}/papers`, {
      method: "POST",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, randomizer, signature, paper: { choices, ...(writeIn.length ? { write_in: writeIn } : {}) } }),
    });
  } catch {
    throw new RequestError("network", "");
  }
  if (!response.ok) {
    const problem = (await response.json().catch(() => ({}))) as { code?: "conflict"; detail?: string };
    throw new RequestError(problem.code ?? "internal", problem.detail ?? "");
  }
  sessionStorage.setItem(place(ballot), JSON.stringify({ ...paper, cast: true }));
}

/** Under which my paper stands in the published list. */
export async function receipt(ballot: string): Promise<string | null> {
  const paper = kept(ballot);
  return paper ? sha256Hex(fromBase64(paper.token)) : null;
}
