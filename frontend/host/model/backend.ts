import type { Shell } from '$src/call/view/shell';
import * as app from '../../wailsjs/go/main/App';
import type { desktop, figures, hoststate } from '../../wailsjs/go/models';
import {
  EventsOn,
  WindowFullscreen,
  WindowGetSize,
  WindowIsMinimised,
  WindowSetAlwaysOnTop,
  WindowSetDarkTheme,
  WindowSetLightTheme,
  WindowSetMinSize,
  WindowSetSize,
  WindowSetSystemDefaultTheme,
  WindowSetTitle,
  WindowUnfullscreen,
  WindowUnmaximise,
} from '../../wailsjs/runtime/runtime';

/** What a generated class carries, without its methods: that is what arrives. */
type Data<T> = T extends (infer Item)[]
  ? Data<Item>[]
  : T extends object
    ? {
        [Key in keyof T as T[Key] extends (...args: never[]) => unknown ? never : Key]: Data<
          T[Key]
        >;
      }
    : T;

export type State = Data<hoststate.State>;
export type LinkView = Data<hoststate.LinkView>;
export type CopyView = Data<hoststate.CopyView>;
type CalendarWish = Data<hoststate.CalendarWish>;
export type CallRecord = Data<hoststate.CallRecordView>;
export type AddressView = Data<hoststate.AddressView>;
export type Reach = Data<hoststate.Reach>;
export type RouterView = Data<hoststate.RouterView>;
export type OwnTest = Data<hoststate.OwnTestView>;
export type RelayView = Data<hoststate.RelayView>;
export type RelayOffer = Data<hoststate.RelayOfferView>;
export type RequestView = Data<hoststate.RequestView>;
export type DeedView = Data<hoststate.DeedView>;
export type Settings = Data<hoststate.Settings>;
export type Entry = Data<hoststate.Entry>;
export type Program = Data<desktop.Program>;
export type Devices = Data<hoststate.DevicesView>;

/**
 * Some keys of the state, each whole; null where one became empty. Of links and requests single rows, null where one has
 * gone, and a request's picture apart from its row. It leads from one revision to another.
 */
export type Change = { revision: number; from: number } & {
  [Key in Exclude<keyof State, 'revision'>]?: State[Key] | null;
} & {
  [row: `links/${string}`]: LinkView | null;
  [row: `requests/${string}`]: RequestView | string | null;
};

/** The bound methods of app.go. Each rejects with a [Fault]. */
export interface Commands {
  snapshot(): Promise<State>;
  attend(client: string): Promise<void>;
  createLink(): Promise<LinkView>;
  renameLink(link: string, name: string): Promise<void>;
  removeLink(link: string): Promise<void>;
  undoRemove(link: string): Promise<void>;
  /** When it opens and when it is spent: '' when everyone has left, 'at' a time, 'keep'; 0 for no time. */
  setLinkTimes(link: string, opensAt: number, ends: string, endsAt: number): Promise<void>;
  newAddress(link: string): Promise<void>;
  keepLink(link: string): Promise<void>;
  /** The calls in which guests were, the latest first. */
  linkHistory(link: string): Promise<CallRecord[]>;
  eraseHistory(link: string): Promise<void>;
  /** A further address for somebody; its id. */
  newCopy(link: string, name: string, once: boolean): Promise<string>;
  removeCopy(link: string, copy: string): Promise<void>;
  copyLink(link: string, url: string): Promise<void>;
  mailLink(link: string, url: string): Promise<void>;
  messageLink(link: string, url: string): Promise<void>;
  /** An SVG document. */
  linkQR(url: string): Promise<string>;
  /** The text that goes with an address, the address included. */
  invitation(link: string, url: string): Promise<string>;
  /** The file's path, "" when cancelled. */
  saveCalendar(link: string, url: string, wish: CalendarWish): Promise<string>;
  admit(request: string): Promise<void>;
  decline(request: string): Promise<void>;
  /** minutes until the bell rings for them again, 0 for not by itself. */
  askToWait(request: string, minutes: number): Promise<void>;
  /** Lets them in, and their browser from now on without asking: through the same link, or through all. */
  alwaysLetIn(request: string, everywhere: boolean): Promise<void>;
  /** Takes that back; link is '' for all. */
  stopAlways(browser: string, link: string): Promise<void>;
  /** Says a line to a guest who waits. */
  writeTo(request: string, text: string): Promise<void>;
  /** The host has looked at these cards. */
  seeRequests(requests: string[]): Promise<void>;
  block(request: string): Promise<void>;
  admitAll(link: string, requests: string[]): Promise<void>;
  declineAll(link: string, requests: string[]): Promise<void>;
  enterCall(link: string, client: string, engine: string): Promise<Entry>;
  leaveCall(link: string): Promise<void>;
  endCall(link: string): Promise<void>;
  silenceRequests(link: string, on: boolean): Promise<void>;
  lockCall(link: string, on: boolean): Promise<void>;
  removeParticipant(link: string, participant: string, block: boolean): Promise<void>;
  muteParticipant(link: string, participant: string): Promise<void>;
  /** Puts a guest out of the call, to wait until they are let in again. */
  letWaitOutside(link: string, participant: string): Promise<void>;
  /** At most 1 MiB of a door message, from a place that an earlier call has reached; nothing behind its end. */
  doorMessage(id: string, from: number): Promise<Uint8Array<ArrayBuffer>>;
  keepDoorMessage(id: string, on: boolean): Promise<void>;
  deleteDoorMessage(id: string): Promise<void>;
  /** Records the call on this computer, and asks all who are in it. */
  record(link: string): Promise<void>;
  stopRecording(link: string): Promise<void>;
  /** Shows the last recording in the system's file manager. */
  showRecording(): Promise<void>;
  dismissRecording(): Promise<void>;
  setCoHost(link: string, participant: string, on: boolean): Promise<void>;
  /** What is known of the lines of a call. */
  callFigures(link: string): Promise<Data<figures.Call>>;
  /** Opens an address that somebody wrote, in the system's browser. */
  openPage(address: string): Promise<void>;
  /** Saves a report; the file's path, "" when cancelled. */
  saveReport(report: string): Promise<string>;
  setName(name: string): Promise<void>;
  setSettings(settings: Settings): Promise<void>;
  /** Says which language notifications and files are written in. */
  speak(locale: string): Promise<void>;
  /** Dials a relay once: what it offers. */
  testRelay(address: string, invitation: string): Promise<RelayOffer>;
  addRelay(address: string, invitation: string): Promise<RelayView>;
  removeRelay(url: string): Promise<void>;
  /** The relay on which new links are made; "" for none. */
  useRelay(url: string): Promise<void>;
  setRelayOnly(on: boolean): Promise<void>;
  /** Opens or closes the direct door of a link. */
  setLinkDoor(link: string, on: boolean): Promise<void>;
  copyHostKey(url: string): Promise<void>;
  /** Who may open links: 'anywhere', 'network' or 'computer'. */
  setWho(who: string): Promise<void>;
  /** Looks through an address from outside: what was seen. */
  testOwn(address: string): Promise<OwnTest>;
  /** The address from outside; "" for none. */
  useOwn(address: string): Promise<void>;
  /** Whether the router is asked to let calls in. */
  setRouter(on: boolean): Promise<void>;
  useFunnel(on: boolean): Promise<void>;
  devices(): Promise<Devices>;
  dismissNotice(id: number): Promise<void>;
  /** Ends the app. */
  quit(): Promise<void>;
}

/** The app behind the window: commands in, changes out. */
export interface Backend extends Commands {
  /** What the app knows of itself as a program of this computer. */
  program(): Promise<Program>;
  /** Calls onchange when that has changed; the returned function stops it. */
  watchProgram(onchange: () => void): () => void;
  setAtLogin(on: boolean): Promise<void>;
  /** Whether the app may look for newer versions. */
  setLooks(yes: boolean): Promise<void>;
  /** Opens the newer version's page in the browser. */
  openDownload(): Promise<void>;
  /** The file's path, "" when cancelled. */
  saveCrashReport(): Promise<string>;
  forgetCrash(): Promise<void>;
  /** The app ends, and starts anew without any data. */
  eraseEverything(): Promise<void>;
  licences(): Promise<string>;
  /** Calls onchange for each change from now on; the returned function stops it. */
  watch(onchange: (change: Change) => void): () => void;
  /** Sets the title of the native window. */
  setTitle(title: string): void;
  /** Gives the frame of the native window a look, on Windows; elsewhere the system alone decides. */
  setTheme(theme: Theme): void;
  /** Whether the native window is minimised; false of a page in a browser. */
  minimised(): Promise<boolean>;
  /** The app's own window; undefined for a page in a browser, which has no window of its own. */
  readonly shell?: Shell;
}

/** How the window looks, as settings say it. */
export type Theme = 'system' | 'light' | 'dark';

/** A fault as app.go says it: a code of package fault, and its English sentence. */
export class Fault extends Error {
  readonly code: string;
  constructor(code: string, sentence: string) {
    super(sentence);
    this.name = 'Fault';
    this.code = code;
  }
}

/** The fault in whatever a command rejected with. */
export function faultOf(reason: unknown): Fault {
  if (reason instanceof Fault) return reason;
  const text = reason instanceof Error ? reason.message : String(reason);
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said === 'object' && said !== null && 'code' in said && 'message' in said)
      return new Fault(String(said.code), String(said.message));
  } catch {
    // Not app.go's: a panic's text, or the window without its app.
  }
  return new Fault('internal', text);
}

/** Whether the page runs inside the app (or its dev server) at all. */
export const insideApp = (): boolean => 'go' in window && 'runtime' in window;

/** What the page in the app's own window is called, as in app.go. */
export const ownWindow = 'window';

/** The name of this page: random in a browser, which only Wails' dev server serves. */
export function clientName(): string {
  // Where Wails itself looks for the webview that it made: WebKit's or WebView2's.
  const { webkit, chrome } = window as unknown as {
    webkit?: { messageHandlers?: { external?: unknown } };
    chrome?: { webview?: unknown };
  };
  return webkit?.messageHandlers?.external || chrome?.webview ? ownWindow : crypto.randomUUID();
}

/** How small the window may be, as in main.go; and the compact one, in CSS pixels. */
const least = { w: 360, h: 480 };
const small = { w: 380, h: 260 };

/** How often the window is asked for a size, and how long it has for each, in ms. */
const resizes = { most: 10, each: 50 };

function nativeShell(): Shell {
  let before = { w: 1100, h: 760 };
  let wanted = before;
  // On Linux, Wails sets a window's size at once and its least size later: a smaller size is asked for until it is there.
  const resize = async (to: typeof wanted) => {
    wanted = to;
    for (let n = 0; n < resizes.most && wanted === to; n++) {
      WindowSetSize(to.w, to.h);
      await new Promise((done) => setTimeout(done, resizes.each));
      const { w, h } = await WindowGetSize();
      if (w === to.w && h === to.h) return;
    }
  };
  return {
    fill: (on) => (on ? WindowFullscreen() : WindowUnfullscreen()),
    compact: async (on) => {
      if (on) {
        WindowUnfullscreen();
        WindowUnmaximise();
        before = await WindowGetSize();
      }
      const { w, h } = on ? small : least;
      WindowSetMinSize(w, h);
      WindowSetAlwaysOnTop(on);
      await resize(on ? small : before);
    },
  };
}

/** The real app, through Wails' generated bindings, for the page of this name. */
export function wails(client: string): Backend {
  const said = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (reason) {
      throw faultOf(reason);
    }
  };
  return {
    snapshot: () => said(app.Snapshot()),
    attend: (client) => said(app.Attend(client)),
    createLink: () => said(app.CreateLink()),
    renameLink: (link, name) => said(app.RenameLink(link, name)),
    removeLink: (link) => said(app.RemoveLink(link)),
    undoRemove: (link) => said(app.UndoRemove(link)),
    setLinkTimes: (link, opensAt, ends, endsAt) =>
      said(app.SetLinkTimes(link, opensAt, ends, endsAt)),
    newAddress: (link) => said(app.NewAddress(link)),
    keepLink: (link) => said(app.KeepLink(link)),
    linkHistory: (link) => said(app.LinkHistory(link)),
    eraseHistory: (link) => said(app.EraseHistory(link)),
    newCopy: (link, name, once) => said(app.NewCopy(link, name, once)),
    removeCopy: (link, copy) => said(app.RemoveCopy(link, copy)),
    copyLink: (link, url) => said(app.CopyLink(link, url)),
    mailLink: (link, url) => said(app.MailLink(link, url)),
    messageLink: (link, url) => said(app.MessageLink(link, url)),
    linkQR: (url) => said(app.LinkQR(url)),
    invitation: (link, url) => said(app.Invitation(link, url)),
    saveCalendar: (link, url, wish) => said(app.SaveCalendar(link, url, wish)),
    admit: (request) => said(app.Admit(request)),
    decline: (request) => said(app.Decline(request)),
    askToWait: (request, minutes) => said(app.AskToWait(request, minutes)),
    alwaysLetIn: (request, everywhere) => said(app.AlwaysLetIn(request, everywhere)),
    stopAlways: (browser, link) => said(app.StopAlways(browser, link)),
    writeTo: (request, text) => said(app.WriteTo(request, text)),
    seeRequests: (requests) => said(app.SeeRequests(requests)),
    block: (request) => said(app.Block(request)),
    admitAll: (link, requests) => said(app.AdmitAll(link, requests)),
    declineAll: (link, requests) => said(app.DeclineAll(link, requests)),
    enterCall: (link, client, engine) => said(app.EnterCall(link, client, engine)),
    leaveCall: (link) => said(app.LeaveCall(link)),
    endCall: (link) => said(app.EndCall(link)),
    silenceRequests: (link, on) => said(app.SilenceRequests(link, on)),
    lockCall: (link, on) => said(app.LockCall(link, on)),
    removeParticipant: (link, participant, block) =>
      said(app.RemoveParticipant(link, participant, block)),
    muteParticipant: (link, participant) => said(app.MuteParticipant(link, participant)),
    letWaitOutside: (link, participant) => said(app.LetWaitOutside(link, participant)),
    doorMessage: async (id, from) => {
      // What Wails calls an array of numbers comes as base64, or as null when it is empty.
      const part = (await said(app.DoorMessage(id, from))) as unknown as string | null;
      return Uint8Array.from(atob(part ?? ''), (byte) => byte.charCodeAt(0));
    },
    keepDoorMessage: (id, on) => said(app.KeepDoorMessage(id, on)),
    deleteDoorMessage: (id) => said(app.DeleteDoorMessage(id)),
    record: (link) => said(app.Record(link)),
    stopRecording: (link) => said(app.StopRecording(link)),
    showRecording: () => said(app.ShowRecording()),
    dismissRecording: () => said(app.DismissRecording()),
    setCoHost: (link, participant, on) => said(app.SetCoHost(link, participant, on)),
    callFigures: (link) => said(app.CallFigures(link)),
    openPage: (address) => said(app.OpenPage(address)),
    saveReport: (report) => said(app.SaveReport(report)),
    setName: (name) => said(app.SetName(name)),
    speak: (locale) => said(app.Speak(locale)),
    setSettings: (settings) => said(app.SetSettings(settings)),
    testRelay: (address, invitation) => said(app.TestRelay(address, invitation)),
    addRelay: (address, invitation) => said(app.AddRelay(address, invitation)),
    removeRelay: (url) => said(app.RemoveRelay(url)),
    useRelay: (url) => said(app.UseRelay(url)),
    setRelayOnly: (on) => said(app.SetRelayOnly(on)),
    setLinkDoor: (link, on) => said(app.SetLinkDoor(link, on)),
    copyHostKey: (url) => said(app.CopyHostKey(url)),
    setWho: (who) => said(app.SetWho(who)),
    testOwn: (address) => said(app.TestOwn(address)),
    useOwn: (address) => said(app.UseOwn(address)),
    setRouter: (on) => said(app.SetRouter(on)),
    useFunnel: (on) => said(app.UseFunnel(on)),
    devices: () => said(app.Devices()),
    dismissNotice: (id) => said(app.DismissNotice(id)),
    quit: () => said(app.Quit()),
    program: () => said(app.Program()),
    watchProgram: (onchange) => EventsOn('porch:program', onchange),
    setAtLogin: (on) => said(app.SetAtLogin(on)),
    setLooks: (yes) => said(app.SetLooks(yes)),
    openDownload: () => said(app.OpenDownload()),
    saveCrashReport: () => said(app.SaveCrashReport()),
    forgetCrash: () => said(app.ForgetCrash()),
    eraseEverything: () => said(app.EraseEverything()),
    licences: () => said(app.Licences()),
    watch: (onchange) => EventsOn('porch:change', onchange),
    setTitle: (title) => WindowSetTitle(title),
    shell: client === ownWindow ? nativeShell() : undefined,
    minimised: async () => client === ownWindow && WindowIsMinimised(),
    setTheme: (theme) => {
      if (theme === 'light') WindowSetLightTheme();
      else if (theme === 'dark') WindowSetDarkTheme();
      else WindowSetSystemDefaultTheme();
    },
  };
}
