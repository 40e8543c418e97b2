/** Of a generator fit for cryptography. A filter that imports this module needs the grant `random`. */
export const random: {
  /** At most 4096; more ends the instance. */
  bytes(count: number): Uint8Array;
  /** 0 to 2^32 - 1. */
  number(): number;
};
