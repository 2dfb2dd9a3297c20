/** How much memory a zstd frame asks for: its window, read from its header (RFC 8878 section 3.1.1.1). Pure. */

/** Magic, descriptor, window, dictionary and size: as long as a header may be. */
export const zstdHeaderBytesMax = 18;

/** Undefined: no zstd frame, one that is skipped, or cut off. */
export function zstdWindowBytes(head: Uint8Array): number | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) return undefined;
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if (!isSingleSegment) {
    const [exponent, mantissa] = [view.getUint8(5) >> 3, view.getUint8(5) & 7];
    const base = 2 ** (10 + exponent);
    return base + (base / 8) * mantissa;
  }
  // all of it is one window: as large as the content
  const at = 5 + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const sizeLength = [1, 2, 4, 8][descriptor >> 6] ?? 1;
  if (head.length < at + sizeLength) return undefined;
  if (sizeLength === 1) return view.getUint8(at);
  if (sizeLength === 2) return view.getUint16(at, true) + 256;
  if (sizeLength === 4) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}
