import { defineConfig } from 'vitest/config';
import preact from '@preact/preset-vite';

// The UI is built into web/dist, which web/web.go embeds. `npm run dev` sends API calls to a running controller,
// or to dev/fake-api.mjs, on CONTROLLER (default http://127.0.0.1:8080).
const controller = process.env['CONTROLLER'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: false })],
  build: {
    outDir: '../dist',
    emptyOutDir: false, // .gitkeep stays; scripts/clean.mjs removes the rest first
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: { input: ['index.html', 'docs.html'] },
  },
  server: { proxy: { '/api': { target: controller, ws: true } } },
  test: { environment: 'node', include: ['src/**/*.test.{ts,tsx}'] },
});
