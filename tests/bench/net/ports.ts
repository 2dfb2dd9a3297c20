/** Which numbers the network benchmark uses for what. */

/** Of the servers outside. */
export const outer = { echo: 7007, http: 7080, iperf: 5201 };

/** Of those inside, and where whom they are published by puts them: `at` differs for each. */
export const inner = { iperf: 5202, http: 7081 };

export interface Published {
  iperf: number;
  http: number;
}

export function publishedAt(at: number): Published {
  return { iperf: 15_000 + at, http: 16_000 + at };
}
