import { expect, it } from 'vitest';
import * as api from '../../src/index.ts';
import type { AnyLayer } from '../../src/layers/layer.ts';
import { layerFromConfig, types } from '../../src/layers/types.ts';

type Api = typeof api;

/** The exports that make a layer; a lambda layer is in no file. */
type LayerName = Exclude<
  { [K in keyof Api]: Api[K] extends (...values: never[]) => AnyLayer ? K : never }[keyof Api],
  'lambda'
>;

it('every layer function that is exported can be loaded from a file', () => {
  // does not compile where one is not in the table, or the table has one that is not exported
  const table: Readonly<Record<LayerName, unknown>> = types();
  const names: Readonly<Record<keyof ReturnType<typeof types>, unknown>> = api;
  expect(Object.keys(table).every((name) => name in names)).toBe(true);
  expect(() => layerFromConfig({ type: 'toString' })).toThrow(api.UsageError);
});
