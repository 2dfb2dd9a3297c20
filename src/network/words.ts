/** What --network says in one word that is no network somebody has created. */
export const networkModes = ["private", "host", "none", "pasta", "slirp4netns"] as const;
