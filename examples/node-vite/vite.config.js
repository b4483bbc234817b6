import { defineConfig } from "vite";

export default defineConfig({
  server: {
    host: "127.0.0.1",
    proxy: {
      // Service `api` of dev.toml, by its name, at devloop's proxy.
      "/api": { target: "http://127.0.0.1:3000", headers: { host: "api.localhost" } },
    },
  },
});
