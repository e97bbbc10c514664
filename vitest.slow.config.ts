import { defineConfig } from 'vitest/config';
import base from './vitest.config.ts';

export default defineConfig({
  ...base,
  test: { include: ['test/slow/**/*.test.ts'], testTimeout: 3_600_000, fileParallelism: false },
});
