/** The numeric core: what JavaScript calls. Memory is JavaScript's; nothing here allocates. */
export { dismiss, execute, run, work } from './executor';
export { fill, orthogonal } from './kernels/initialize';
export { bind } from './threads';

/** First byte that the module does not use itself. */
export function base(): usize {
  return __heap_base;
}
