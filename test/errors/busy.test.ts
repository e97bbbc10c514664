import { expect, it } from 'vitest';
import { messageOf, trainer, x, y } from './support.ts';

it('refuses to train while it trains, and trains on afterwards', async () => {
  const one = await trainer();
  const running = one.fit(
    { x, y },
    { epochs: 2, onEpoch: () => new Promise((resolve) => setTimeout(resolve)) },
  );
  expect(await messageOf(() => one.fit({ x, y }))).toBe(
    'fit: this trainer is training already; await that first',
  );
  expect((await running).epochs).toHaveLength(2);
  expect((await one.fit({ x, y })).epochs).toHaveLength(1);
});
