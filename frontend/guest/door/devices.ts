// What only some guests need before they join: fetched when they do.
export { default as DevicePickers } from '$src/call/view/DevicePickers.svelte';
export { default as SoundChoice } from '$src/call/view/SoundChoice.svelte';
export { default as DeviceFaults } from './DeviceFaults.svelte';
