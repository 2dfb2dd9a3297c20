/** The one volume driver there is. */
import { TspodError } from "../../errors.ts";

export function requireLocalDriver(driver: string): void {
  if (driver === "local" || driver === "") return;
  throw new TspodError("usage", `There is no volume driver "${driver}"`, {
    next: 'use "local", or leave it away: plug-ins need a daemon',
  });
}
