import { pathToFileURL } from 'node:url';
import { adam, dense, dropout, l2, lstm, meanSquaredError, sequential, Trainer } from 'downhill';
import { plot } from './support/draw.ts';
import { FEATURES, loadWeather, UNIT, windows } from './support/weather.ts';

/** Days that the network sees, and days that it forecasts. */
const PAST = 21;
const FUTURE = 7;
const YEAR = 365;
const LEARNING_RATE = 3e-3;

export interface ForecastOptions {
  /** Of the initial weights, the order of the rows and dropout. */
  seed: number;
  epochs: number;
}

/** Mean absolute errors in degrees, over the week. */
export interface ForecastErrors {
  network: number;
  seasonalNaive: number;
  persistence: number;
}

/**
 * Forecasts the highest temperatures of the next seven days in Seattle from the weather of three weeks: an LSTM trained
 * on 2012 to 2014, beside the seasonal-naive forecast (the same day a year ago) and persistence (as warm as today), in 2015.
 * Units and epochs were chosen on 2014, with the years before to train on.
 */
export async function run({ seed, epochs }: ForecastOptions): Promise<ForecastErrors> {
  const days = loadWeather();
  const split = days.findIndex(({ date }) => date.startsWith('2015'));
  const train = windows(days, 0, split, PAST, FUTURE);
  // the first forecast of 2015 looks back into 2014
  const heldOut = windows(days, split - PAST, days.length, PAST, FUTURE);
  console.log(
    `${train.today.length} days of 2012 to 2014 to train on, ${heldOut.today.length} of 2015 held out\n`,
  );

  const model = sequential({ inputShape: [PAST, FEATURES], seed }, [
    lstm(8),
    dropout(0.2),
    dense(FUTURE, { kernelRegularizer: l2(1e-3) }),
  ]);
  console.log(`${model.summary()}\n`);
  const trainer = await Trainer.create(model, {
    loss: meanSquaredError(),
    optimizer: adam({ learningRate: LEARNING_RATE }),
  });
  const history = await trainer.fit(train, {
    epochs,
    batchSize: 32,
    onEpoch: ({ epoch }) => {
      trainer.learningRate = LEARNING_RATE * (1 - epoch / epochs);
    },
  });
  console.log(`trained ${history.steps} steps in ${history.seconds.toFixed(1)} s\n`);

  const predicted = (await model.predict(heldOut.x)).data;
  const highest = (day: number): number => days[day]!.highest;
  const forecasts = {
    network: (row: number, ahead: number) =>
      highest(heldOut.today[row]!) + UNIT * predicted[row * FUTURE + ahead - 1]!,
    seasonalNaive: (row: number, ahead: number) => highest(heldOut.today[row]! + ahead - YEAR),
    persistence: (row: number, _: number) => highest(heldOut.today[row]!),
  };
  const error = (forecast: (row: number, ahead: number) => number, ahead: number): number =>
    heldOut.today.reduce((sum, day, row) => sum + Math.abs(forecast(row, ahead) - highest(day + ahead)), 0) /
    heldOut.today.length;

  console.log('mean absolute error in degrees Celsius, 2015');
  console.log('  days ahead       network   as a year ago   as today');
  const sums = { network: 0, seasonalNaive: 0, persistence: 0 };
  for (let ahead = 1; ahead <= FUTURE; ahead++) {
    const errors = {
      network: error(forecasts.network, ahead),
      seasonalNaive: error(forecasts.seasonalNaive, ahead),
      persistence: error(forecasts.persistence, ahead),
    };
    console.log(errorLine(String(ahead), errors));
    for (const name of ['network', 'seasonalNaive', 'persistence'] as const)
      sums[name] += errors[name] / FUTURE;
  }
  console.log(errorLine('mean', sums));

  const rows = heldOut.today.map((_, row) => row);
  console.log('\nhighest temperature of 2015, week by week: · measured, o forecast a day ahead, * both');
  console.log(
    plot(
      rows.map((row) => highest(heldOut.today[row]! + 1)),
      rows.map((row) => forecasts.network(row, 1)),
      7,
    ),
  );
  return sums;
}

function errorLine(what: string, { network, seasonalNaive, persistence }: ForecastErrors): string {
  const cells = [network.toFixed(2).padStart(10), seasonalNaive.toFixed(2).padStart(16)];
  return `  ${what.padStart(10)}    ${cells.join('')}${persistence.toFixed(2).padStart(11)}`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await run({ seed: 42, epochs: 40 });
}
