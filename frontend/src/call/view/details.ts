// What Call details takes: fetched when somebody opens it.
export { default as CallDetails } from './CallDetails.svelte';

/** Has the browser keep a report where it keeps what is downloaded. */
export async function download(report: string): Promise<boolean> {
  const file = URL.createObjectURL(new Blob([report], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = file;
  link.download = 'porch-call.json';
  link.click();
  // The browser reads it after the press.
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
  return true;
}
