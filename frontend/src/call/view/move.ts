// What few press, and what it takes to draw a code.
export { default as MoveDialog } from './MoveDialog.svelte';
