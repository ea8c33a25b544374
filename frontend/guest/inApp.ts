// Browsers that are built into other apps: they have no buttons beside an address, and many can't use camera and
// microphone whatever a person presses.

// Names that these apps put into their user agent; "; wv" is Android's own mark of a web view (developer.chrome.com,
// "WebView user agent").
const apps =
  /FBAN|FBAV|FB_IAB|Instagram|Messenger|MicroMessenger|WeChat|\bLine\/|KAKAOTALK|musical_ly|Bytedance|TikTok|trill_|Snapchat|Pinterest|LinkedInApp|Twitter|GSA\/|Telegram|; wv\)/i;

/** Whether a page is shown by an app that is no browser. */
export function inApp(userAgent: string, canAsk: boolean): boolean {
  // A web view of iOS leaves out what Safari and the browsers built on it say.
  const bare = /iPhone|iPad|iPod/.test(userAgent) && !/Safari\//.test(userAgent);
  return apps.test(userAgent) || bare || !canAsk;
}

/** Where such apps keep "Open in browser". */
export type Menu = 'ios' | 'android' | 'other';

export function menuOf(userAgent: string): Menu {
  if (/iPhone|iPad|iPod/.test(userAgent)) return 'ios';
  return /Android/.test(userAgent) ? 'android' : 'other';
}

/** Whether this page is. */
export const here = (): boolean =>
  inApp(navigator.userAgent, !!navigator.mediaDevices?.getUserMedia);
