import { describe, expect, it } from "vitest";
import { blind, finalize, fromBase64, publicKey, toBase64, toBigInt } from "./blind";
import vector from "./rfc9474.json";

const given = {
  randomizer: fromBase64(vector.randomizer),
  salt: fromBase64(vector.salt),
  inverse: toBigInt(fromBase64(vector.inverse)),
};
const message = fromBase64(vector.message);

// The server's tests hold the same file against the crate that signs (src/room/ballot_keys.rs).
describe("blind signatures", () => {
  it("blind a message as RFC 9474 does", async () => {
    const key = await publicKey(fromBase64(vector.public_key));
    expect(toBase64((await blind(key, message, given)).blinded)).toBe(vector.blinded);
  });

  it("unblind the server's answer to the signature of RFC 9474", async () => {
    const key = await publicKey(fromBase64(vector.public_key));
    const signature = await finalize(key, message, given.randomizer, given.inverse, fromBase64(vector.blind_signature));
    expect(signature && toBase64(signature)).toBe(vector.signature);
  });

  it("take nothing for a signature that is none", async () => {
    const key = await publicKey(fromBase64(vector.public_key));
    expect(await finalize(key, message, given.randomizer, given.inverse, fromBase64(vector.blinded))).toBeNull();
  });

  it("are blinded anew each time", async () => {
    const key = await publicKey(fromBase64(vector.public_key));
    const [one, two] = [await blind(key, message), await blind(key, message)];
    expect(toBase64(one.blinded)).not.toBe(toBase64(two.blinded));
  });
});
