// Opens node's inspector in the process that runs the program, and not in the tools that only start it.
"use strict";

const { basename } = require("node:path");
const { isMainThread } = require("node:worker_threads");
const inspector = require("node:inspector");

const tools = new Set([
  "npm", "npm-cli", "npx", "npx-cli", "pnpm", "pnpx", "yarn", "yarnpkg", "corepack", "tsx", "ts-node-dev", "tsnd",
  "nodemon", "next", "nest", "concurrently", "npm-run-all", "run-s", "run-p", "cross-env", "dotenv", "node-gyp",
]);
const script = process.argv[1] ? basename(process.argv[1]).replace(/\.[cm]?js$/, "") : "";
const port = Number(process.env.DEVLOOP_DEBUG_PORT);

if (isMainThread && port && script && !tools.has(script) && !inspector.url()) {
  // What the program starts itself would want the same port.
  delete process.env.DEVLOOP_DEBUG_PORT;
  inspector.open(port, "127.0.0.1", process.env.DEVLOOP_DEBUG_WAIT === "1");
}
