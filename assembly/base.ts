/** First byte that the module does not use itself. */
export function base(): usize {
  return __heap_base;
}
