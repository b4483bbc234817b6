// A server whose port is written into it.
const http = require("node:http");

http
  .createServer((_, answer) => answer.end("hello from a fixed port\n"))
  .listen(8081, "127.0.0.1");
