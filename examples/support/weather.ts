import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** A day's weather in Seattle: degrees Celsius, millimetres, metres a second. */
export interface Day {
  /** 2012-01-01 … 2015-12-31 */
  readonly date: string;
  readonly highest: number;
  readonly lowest: number;
  readonly rain: number;
  readonly wind: number;
}

/** The daily record of Seattle, 2012 to 2015, by the NOAA; in the npm package `vega-datasets`. */
export function loadWeather(): Day[] {
  const build = createRequire(import.meta.url).resolve('vega-datasets');
  const text = readFileSync(join(build, '..', '..', 'data', 'seattle-weather.csv'), 'utf8');
  const [head, ...lines] = text.trim().split(/\r?\n/);
  if (head !== 'date,precipitation,temp_max,temp_min,wind,weather') throw new Error(`columns are ${head}`);
  return lines.map((line) => {
    const [date, ...values] = line.split(',');
    const [rain, highest, lowest, wind] = values.map(Number) as [number, number, number, number];
    return { date: date!, highest, lowest, rain, wind };
  });
}

/** Numbers of a day as the network sees them: its weather, and where in the year it is. */
export const FEATURES = 6;

function features({ date, highest, lowest, rain, wind }: Day): number[] {
  const angle = (2 * Math.PI * Date.parse(date)) / (365.25 * 864e5);
  // about -1 … 1 each; most days have little rain, so its square root
  return [scaled(highest), scaled(lowest), Math.sqrt(rain) / 4, wind / 5, Math.sin(angle), Math.cos(angle)];
}

/** 15 degrees Celsius are 0, ten degrees are 1. */
function scaled(celsius: number): number {
  return (celsius - 15) / 10;
}

/** Degrees of a unit of the changes to forecast. */
export const UNIT = 10;

export interface Windows {
  /** [rows, past, FEATURES] */
  readonly x: { readonly data: Float32Array; readonly shape: readonly [number, number, number] };
  /** How much warmer the highest temperature of the days that follow is than today's, in units: [rows, future] */
  readonly y: { readonly data: Float32Array; readonly shape: readonly [number, number] };
  /** Which day is the last that a row sees. */
  readonly today: readonly number[];
}

/** A row for each day from which `past` days back and `future` days ahead lie within [first, end). */
export function windows(
  days: readonly Day[],
  first: number,
  end: number,
  past: number,
  future: number,
): Windows {
  const today: number[] = [];
  for (let day = first + past - 1; day + future < end; day++) today.push(day);
  const x = today.flatMap((day) => days.slice(day - past + 1, day + 1).flatMap(features));
  const y = today.flatMap((day) =>
    days.slice(day + 1, day + 1 + future).map(({ highest }) => (highest - days[day]!.highest) / UNIT),
  );
  return {
    x: { data: Float32Array.from(x), shape: [today.length, past, FEATURES] },
    y: { data: Float32Array.from(y), shape: [today.length, future] },
    today,
  };
}
