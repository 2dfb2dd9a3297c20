/** The digits of %f, %e and %g for magnitudes (no sign, no padding), rounded as Go rounds. Pure. */
import { formatExponent } from "./print.ts";

/** %f */
export function fixed(magnitude: number, digits: number): string {
  // toFixed() turns to exponents from here on; these numbers have no fraction any more.
  if (magnitude >= 1e21) return `${BigInt(magnitude)}${digits > 0 ? "." : ""}${"0".repeat(digits)}`;
  return rounded((count) => magnitude.toFixed(count), digits);
}

/** %e */
export function exponential(magnitude: number, digits: number): string {
  const mantissa = rounded((count) => magnitude.toExponential(count).split("e")[0] ?? "", digits);
  const power = Number(magnitude.toExponential(Math.min(digits, digitsMax)).split("e")[1]);
  return `${mantissa}e${formatExponent(power)}`;
}

/** JavaScript's own stop here; every digit beyond is a zero in what people print. */
const digitsMax = 100;

/** JavaScript rounds a tie up, Go to the even digit: 12.5 with no digits is 12. */
function rounded(write: (digits: number) => string, digits: number): string {
  if (digits >= digitsMax) return write(digitsMax) + "0".repeat(digits - digitsMax);
  const [whole = "", fraction = ""] = write(digitsMax).split(".");
  const kept = digits === 0 ? whole : `${whole}.${fraction.slice(0, digits)}`;
  const isTie = /^50*$/.test(fraction.slice(digits));
  return isTie && /[02468]$/.test(kept) ? kept : write(digits);
}

/** %g with a precision: the shorter of both, without trailing zeros. */
export function general(magnitude: number, precision: number): string {
  const digits = Math.min(Math.max(precision, 1), 100);
  const power = magnitude === 0 ? 0 : Number(exponential(magnitude, digits - 1).split("e")[1]);
  if (power >= -4 && power < digits) return String(Number(exponential(magnitude, digits - 1)));
  const [mantissa = "", exponent = "0"] = exponential(magnitude, digits - 1).split("e");
  return `${Number(mantissa)}e${exponent}`;
}
