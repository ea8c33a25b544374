// What a guest needs from the press of Join on: fetched then, or while the seat
// is taken again, so that the page before it is light.
export { Call } from '$src/call/model/call.svelte';
export { WebviewEngine } from '$src/media/webview/webview.svelte';
export { default as Awake } from './Awake.svelte';
export { default as Declined } from './Declined.svelte';
export { default as InCall } from './InCall.svelte';
export { default as Out } from './Out.svelte';
export { default as Returning } from './Returning.svelte';
export { default as Waiting } from './Waiting.svelte';
export { default as Words } from './Words.svelte';
