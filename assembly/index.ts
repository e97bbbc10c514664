/** The numeric core: what JavaScript calls. Memory is JavaScript's; nothing here allocates. */
export { base } from './base';
export { dismiss, execute, run, work } from './executor';
export { fill, orthogonal } from './kernels/initialize';
export { bind } from './threads';
