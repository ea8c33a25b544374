// What only some guests need before they join: fetched when they do.
export { default as DeviceFaults } from './DeviceFaults.svelte';
export { default as Pickers } from './Pickers.svelte';
