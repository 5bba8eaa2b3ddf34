import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

/** A browser that is installed already: none is downloaded. */
export const CHROMIUM = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);

export default defineConfig({
  testDir: 'tests',
  timeout: 90_000,
  expect: { timeout: 20_000 },
  workers: 1,
  // On a machine that does other things a second may pass where none should; what fails twice is told as failed.
  retries: 1,
  reporter: [['list']],
  outputDir: 'test-results',
  use: {
    launchOptions: { executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] },
    // Colours are measured when they have come to rest.
    contextOptions: { reducedMotion: 'reduce' },
    // Tests that stand in for the server have to see every request; what is kept for later has a test of its own.
    serviceWorkers: 'block',
    viewport: { width: 1280, height: 800 },
  },
});
