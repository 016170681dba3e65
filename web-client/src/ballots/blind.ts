/**
 * Blind RSA signatures (RFC 9474, RSABSSA-SHA384-PSS-Randomized), the voter's side: WebCrypto and
 * BigInt, nothing else. The server signs what it cannot read; the signature that comes out of
 * `finalize` is one that it has never seen. Tested against the RFC's own values (blind.test.ts).
 */

const SALT = 48;
const HASH = 48;

export interface PublicKey {
  n: bigint;
  e: bigint;
  /** Bytes of the modulus. */
  size: number;
  verify: CryptoKey;
}

export interface Blinded {
  /** Prefix and message: what the signature is over. */
  randomizer: Uint8Array;
  blinded: Uint8Array;
  inverse: bigint;
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

export function toBigInt(bytes: Uint8Array): bigint {
  let hex = "0x0";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return BigInt(hex);
}

function toBytes(value: bigint, size: number): Uint8Array {
  const hex = value.toString(16).padStart(size * 2, "0");
  return Uint8Array.from({ length: size }, (_, at) => parseInt(hex.slice(at * 2, at * 2 + 2), 16));
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function sha384(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-384", bytes as BufferSource));
}

export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function random(size: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(size));
}

/** SPKI, DER. */
export async function publicKey(der: Uint8Array): Promise<PublicKey> {
  const verify = await crypto.subtle.importKey("spki", der as BufferSource, { name: "RSA-PSS", hash: "SHA-384" }, true, ["verify"]);
  const jwk = await crypto.subtle.exportKey("jwk", verify);
  const part = (text: string | undefined) => fromBase64((text ?? "").replace(/-/g, "+").replace(/_/g, "/"));
  const modulus = part(jwk.n);
  return { n: toBigInt(modulus), e: toBigInt(part(jwk.e)), size: modulus.length, verify };
}

export function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/** Extended Euclid; null when there is none. */
export function inverse(value: bigint, modulus: bigint): bigint | null {
  let [oldR, r] = [((value % modulus) + modulus) % modulus, modulus];
  let [oldS, s] = [1n, 0n];
  while (r !== 0n) {
    const quotient = oldR / r;
    [oldR, r] = [r, oldR - quotient * r];
    [oldS, s] = [s, oldS - quotient * s];
  }
  return oldR === 1n ? ((oldS % modulus) + modulus) % modulus : null;
}

async function mask(seed: Uint8Array, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let counter = 0; counter * HASH < length; counter++) {
    parts.push(await sha384(concat(seed, Uint8Array.of(0, 0, 0, counter))));
  }
  return concat(...parts).slice(0, length);
}

/** EMSA-PSS-ENCODE (RFC 8017 §9.1.1) with SHA-384. */
async function encode(message: Uint8Array, bits: number, salt: Uint8Array): Promise<Uint8Array> {
  const length = Math.ceil(bits / 8);
  const hash = await sha384(concat(new Uint8Array(8), await sha384(message), salt));
  const padding = new Uint8Array(length - salt.length - HASH - 2);
  const data = concat(padding, Uint8Array.of(1), salt);
  const masked = (await mask(hash, data.length)).map((byte, at) => byte ^ (data[at] ?? 0));
  masked[0] = (masked[0] ?? 0) & (0xff >> (8 * length - bits));
  return concat(masked, hash, Uint8Array.of(0xbc));
}

/** The random values are given by tests only. */
export async function blind(
  key: PublicKey,
  message: Uint8Array,
  given?: { randomizer: Uint8Array; salt: Uint8Array; inverse: bigint },
): Promise<Blinded> {
  const randomizer = given?.randomizer ?? random(32);
  const bits = key.n.toString(2).length - 1;
  const encoded = toBigInt(await encode(concat(randomizer, message), bits, given?.salt ?? random(SALT)));
  let unblind = given?.inverse ?? null;
  let factor = unblind === null ? 0n : (inverse(unblind, key.n) ?? 0n);
  while (unblind === null) {
    factor = toBigInt(random(key.size));
    unblind = factor > 1n && factor < key.n ? inverse(factor, key.n) : null;
  }
  const blinded = (encoded * power(factor, key.e, key.n)) % key.n;
  return { randomizer, blinded: toBytes(blinded, key.size), inverse: unblind };
}

/** The signature over the message, checked; null when the server gave something else. */
export async function finalize(
  key: PublicKey,
  message: Uint8Array,
  randomizer: Uint8Array,
  unblind: bigint,
  blindSignature: Uint8Array,
): Promise<Uint8Array | null> {
  const signature = toBytes((toBigInt(blindSignature) * unblind) % key.n, key.size);
  const good = await crypto.subtle.verify(
    { name: "RSA-PSS", saltLength: SALT },
    key.verify,
    signature as BufferSource,
    concat(randomizer, message) as BufferSource,
  );
  return good ? signature : null;
}
