/** Loaded before an app (`--import`): prints the memory that its process holds, ten times a second. */
const intervalMs = 100;

setInterval(() => console.log(JSON.stringify({ rssBytes: process.memoryUsage.rss() })), intervalMs).unref();
