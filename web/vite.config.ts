import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type ProxyOptions } from 'vite';

/** Where `hob serve` runs while the page is developed. */
const SERVER = process.env.HOB_URL ?? 'http://127.0.0.1:4242';

/** The server trusts its own origin only, so the development server's is taken off on the way. */
const toServer: ProxyOptions = {
  target: SERVER,
  changeOrigin: true,
  configure: (proxy) => {
    proxy.on('proxyReq', (request) => {
      request.removeHeader('origin');
      request.removeHeader('sec-fetch-site');
    });
  },
};

export default defineConfig({
  // The server answers programs at `/v1`, `/api` and so on; everything of the page is in one folder beside them.
  base: '/page/',
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // Data in URLs would need a wider policy for content, and the files are on this machine anyway.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { proxy: { '/v1': toServer, '/hob': toServer, '/health': toServer } },
});
