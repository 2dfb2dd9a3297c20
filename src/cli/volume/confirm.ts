/** One question on the terminal. Without a terminal the answer is no, as docker takes it. */
import { isatty } from "node:tty";
import { print } from "../output/print.ts";

export async function confirm(sentence: string): Promise<boolean> {
  await print(`WARNING! ${sentence}\nAre you sure you want to continue? [y/N] `);
  const answer = await firstLine();
  if (!isatty(0)) await print("\n");
  return /^y(es)?$/i.test(answer.trim());
}

async function firstLine(): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of Bun.stdin.stream()) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.split("\n", 1).join();
}
