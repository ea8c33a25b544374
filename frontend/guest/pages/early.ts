// What is seen of a link whose door does not open: that nobody answers, when guests can ask, and that this browser can't.
export { default as Later } from './Later.svelte';
export { default as Unavailable } from './Unavailable.svelte';
export { default as Unusable } from './Unusable.svelte';
