/** The flags that say which containers a command is about; selection.ts knows what they mean. */
import { boolean, list } from "../flags.ts";

export const latestFlag = boolean("-l,--latest", "The container that was created last");
export const cidfileFlag = list("--cidfile", "FILE", "The container whose id is in a file", "file");
export const filterFlag = list("-f,--filter", "KEY=VALUE", "Those that tspod ps -f would show");
export const longFilterFlag = list("--filter", "KEY=VALUE", "Those that tspod ps -f would show");
export const ignoreFlag = boolean("-i,--ignore", "One that is not there is no error");
