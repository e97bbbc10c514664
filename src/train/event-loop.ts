/** The event loop gets a turn after this long: a page at 60 frames a second has 16.7 ms for each. */
export const BUDGET_MS = 12;

/** Lets the event loop do other work. */
export function turn(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
