import { afterEach, expect, it, vi } from 'vitest';
import { run } from '../../examples/forecast.ts';
import { plot } from '../../examples/support/draw.ts';
import { FEATURES, loadWeather, UNIT, windows } from '../../examples/support/weather.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('forecasts 2015 better than the year before and than the day before, after some epochs', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const { network, seasonalNaive, persistence } = await run({ seed: 42, epochs: 12 });
  expect(seasonalNaive).toBeCloseTo(3.787, 3);
  expect(persistence).toBeCloseTo(3.402, 3);
  expect(network).toBeLessThan(persistence);
  const printed = log.mock.calls.flat().join('\n');
  expect(printed).toContain('1069 days of 2012 to 2014 to train on, 359 of 2015 held out');
  expect(printed).toMatch(/^ +7 +\d\.\d\d +3\.77 +3\.73$/m);
  expect(printed).toMatch(/^ +mean +[23]\.\d\d +3\.79 +3\.40$/m);
});

it('makes windows of the days before, and the changes of those after', () => {
  const days = loadWeather();
  expect(days).toHaveLength(1461);
  expect(days[0]).toEqual({ date: '2012-01-01', highest: 12.8, lowest: 5, rain: 0, wind: 4.7 });
  const { x, y, today } = windows(days, 10, 20, 3, 2);
  expect(today).toEqual([12, 13, 14, 15, 16, 17]);
  expect([x.shape, y.shape]).toEqual([
    [6, 3, FEATURES],
    [6, 2],
  ]);
  // row 1 sees the days 11, 12, 13 and forecasts 14 and 15
  const seen = [0, 1, 2].map((step) => x.data[(3 + step) * FEATURES]!);
  [11, 12, 13].forEach((day, step) => {
    expect(seen[step]).toBeCloseTo((days[day]!.highest - 15) / 10, 6);
  });
  [14, 15].forEach((day, ahead) => {
    expect(y.data[2 + ahead]! * UNIT).toBeCloseTo(days[day]!.highest - days[13]!.highest, 5);
  });
});

it('draws two series over each other', () => {
  expect(plot([1, 3, 5, 7], [3, 3, 1, 1], 2).split('\n')).toEqual([
    '    6 | ·',
    '    5 |',
    '    4 |',
    '    3 |o',
    '    2 |·',
    '    1 | o',
  ]);
});
