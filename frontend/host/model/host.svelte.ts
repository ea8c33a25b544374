import { m } from '$src/i18n';
import { isolated } from '$src/ui/names';
import { Toasts } from '$src/ui/toasts.svelte';
import type {
  Backend,
  Commands,
  Entry,
  LinkView,
  RequestView,
  Settings,
  State,
  Theme,
} from './backend';
import { faultOf, ownWindow } from './backend';
import { deedSentence } from './deeds';
import type { EngineName } from './engines';
import { sentenceOf } from './faults';
import { linkName } from './links';
import { type Out, type Parts, Presence } from './presence.svelte';
import { ProgramModel } from './program.svelte';
import { Requests } from './requests.svelte';
import { HostState } from './state.svelte';

/** The one dialog that is open. */
export type Sheet =
  | { kind: 'share'; link: string; copy?: string }
  | { kind: 'details'; link: string }
  | { kind: 'settings' }
  | { kind: 'data' }
  | { kind: 'about' }
  | { kind: 'reach' };

export interface HostOptions {
  backend: Backend;
  /** The name of this page: the app asks the one that was used last to enter a call. */
  client: string;
  ring: () => void;
  /** What this webview can do by itself. */
  engine: EngineName;
  /** Makes ready what a call will need, without opening a device: somebody knocks, and may be let in at any moment. */
  prepare: () => void;
  /** Builds transport and engine for a call. */
  build: (
    entry: Entry,
    how: { muted: boolean; cameraOff: boolean },
    state: State,
    commands: Commands,
  ) => Parts;
  /**
   * What the page keeps: the link whose call this window was in before it was loaded again, and how it looked when it
   * was last open.
   */
  memory: {
    call: string | undefined;
    theme: string | undefined;
    language: string;
  };
  /** Milliseconds before try number `attempt`, from 1, to come back into a call. */
  backoff: (attempt: number) => number;
  /** The time in milliseconds, for throttling. */
  now?: () => number;
}

/** How long after a knock the call is made ready, in milliseconds: the bell comes first. */
const prepareAfter = 300;

/** Attend is said at most this often, in milliseconds. */
const attendEvery = 1000;

/** The window: what it shows of the app's state, and what the host can do in it. */
export class Host {
  readonly toasts = new Toasts();
  readonly state: HostState;
  readonly requests: Requests;
  readonly program: ProgramModel;
  readonly client: string;
  readonly backend: Backend;

  sheet = $state<Sheet>();
  /** This window's part in a call. */
  presence = $state.raw<Presence>();
  /** What is read out to a screen reader when somebody knocks. */
  announcement = $state('');
  /** Set once no snapshot could be had: the sentence that says why. */
  broken = $state('');
  creating = $state(false);

  readonly #options: HostOptions;
  readonly #now: () => number;
  #attended = Number.NEGATIVE_INFINITY;
  #staying = $state<string>(); // asked to go to this link's call, and stayed
  #deeds: number | undefined; // the newest that was told
  #arrived: number | undefined; // the guest who was let in last by a standing decision
  #unwatch: (() => void) | undefined;
  #unwatchProgram: (() => void) | undefined;
  #preparing: ReturnType<typeof setTimeout> | undefined;

  constructor(options: HostOptions) {
    this.backend = options.backend;
    this.client = options.client;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.state = new HostState(
      () => options.backend.snapshot(),
      () => this.#follow(),
    );
    this.program = new ProgramModel(options.backend, (command) => this.run(command));
    this.requests = new Requests({
      commands: options.backend,
      onknock: (request) => this.#knocked(request),
      onring: () => this.#ring(),
      onfault: (reason) => this.fault(reason),
    });
  }

  /** Everything the app says of itself. */
  now = $derived.by(() => this.state.now);

  /** The link whose call this window is in, or entering. */
  call = $derived.by(() => this.presence?.link);

  /** The link of the open dialog, undefined once the app no longer has it. */
  sheetLink = $derived.by(() => {
    const sheet = this.sheet;
    if (sheet?.kind !== 'share' && sheet?.kind !== 'details') return undefined;
    return this.link(sheet.link);
  });

  /** A call that has begun without the host while they are in another one; see [Host.stay]. */
  elsewhere = $derived.by(() => {
    const enter = this.now.enter;
    if (enter?.client !== this.client || !this.call || this.call === enter.linkId) return undefined;
    return enter.linkId === this.#staying ? undefined : this.link(enter.linkId);
  });

  /** The title of the window: the count of those waiting, then the call or the app. */
  title = $derived.by(() => {
    const link = this.call === undefined ? undefined : this.link(this.call);
    const place = link ? `${linkName(link.name)} – Porch` : 'Porch';
    const waiting = this.requests.ringing.length;
    return waiting > 0 ? `(${waiting}) ${place}` : place;
  });

  /** How the window looks: as it did last until the app is known, and as the system says where a newer app says what this page does not know. */
  theme = $derived.by((): Theme => {
    const theme = this.state.ready ? this.now.settings.theme : this.#options.memory.theme;
    return theme === 'light' || theme === 'dark' ? theme : 'system';
  });

  /** The language of the settings, '' for the system's; the one of last time until the app is known. */
  language = $derived.by(() =>
    this.state.ready ? this.now.settings.language : this.#options.memory.language,
  );

  link(id: string): LinkView | undefined {
    return this.now.links.find((link) => link.id === id);
  }

  /** Connects to the app. The window is usable when this resolves; it never rejects. */
  async open(): Promise<void> {
    this.#unwatch ??= this.backend.watch((change) => this.state.apply(change));
    this.#unwatchProgram ??= this.program.open();
    if (this.client !== ownWindow) this.attend(); // somebody has opened it
    try {
      await this.state.sync();
      this.broken = '';
      this.#comeBack();
    } catch (reason) {
      this.broken = sentenceOf(reason);
    }
  }

  close(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#unwatchProgram?.();
    this.#unwatchProgram = undefined;
    clearTimeout(this.#preparing);
    this.presence?.close();
  }

  /** Tells the app that the host is using this page. May be called with every press. */
  attend(): void {
    const now = this.#now();
    if (now - this.#attended < attendEvery) return;
    this.#attended = now;
    this.backend.attend(this.client).catch(() => {
      // Only says which window is used; the next press says it again.
    });
  }

  fault(reason: unknown): void {
    this.toasts.fault(sentenceOf(reason));
  }

  /** Runs a command; says the fault if it has one. Resolves to whether it went well. */
  async run(command: Promise<unknown>): Promise<boolean> {
    try {
      await command;
      return true;
    } catch (reason) {
      this.fault(reason);
      return false;
    }
  }

  /** Runs a command, and waits until what it has changed is here, which may come after the answer. */
  async change(command: Promise<unknown>): Promise<boolean> {
    if (!(await this.run(command))) return false;
    await this.state.sync().catch(() => {}); // the next change tries again
    return true;
  }

  /** Makes a link and opens its share sheet. */
  async createLink(): Promise<void> {
    if (this.creating) return;
    this.creating = true;
    try {
      const link = await this.backend.createLink();
      // The change may not be here yet; the share sheet needs the link now.
      if (!this.link(link.id)) await this.state.sync();
      this.sheet = { kind: 'share', link: link.id };
    } catch (reason) {
      this.fault(reason);
    } finally {
      this.creating = false;
    }
  }

  /** Enters a link's call. The app takes the host out of any other. */
  enter(link: string): void {
    if (this.call === link) return;
    this.presence?.close();
    this.sheet = undefined;
    const { engine, build, memory, backoff } = this.#options;
    this.presence = new Presence({
      link,
      commands: this.backend,
      enter: () => this.backend.enterCall(link, this.client, engine),
      build: (entry, how) => build(entry, how, this.state.now, this.backend),
      onout: (reason) => this.#left(link, reason),
      onfault: (reason) => this.fault(reason),
      backoff,
    });
    this.#expect();
    void this.presence.enter();
    memory.call = link; // after the app was asked: the first use of a store takes a while
  }

  #left(link: string, reason?: Out): void {
    if (this.call !== link) return;
    this.presence = undefined;
    this.#options.memory.call = undefined;
    if (this.sheet?.kind === 'share') this.sheet = undefined;
    if (reason === 'elsewhere') this.toasts.word(m.host_call_elsewhere());
  }

  /** Stays in this call although another has begun. */
  stay(): void {
    this.#staying = this.now.enter?.linkId;
  }

  /**
   * Copies an address: as plain text by the app, and in the same press as a link of that name by the webview, if it can.
   * Programs that take no link paste the plain address either way.
   */
  async copy(link: string, url: string, name = ''): Promise<boolean> {
    const copied = this.backend.copyLink(link, url);
    void this.#copyRich(copied, url, name);
    if (!(await this.run(copied))) return false;
    this.toasts.word(m.host_copied());
    return true;
  }

  /** A webview wants to be asked within the press, and takes what comes later. */
  async #copyRich(copied: Promise<void>, url: string, name: string): Promise<void> {
    if (!name || typeof ClipboardItem === 'undefined') return;
    const link = Object.assign(document.createElement('a'), { href: url, textContent: name });
    const of = (type: string, text: string) => copied.then(() => new Blob([text], { type }));
    try {
      const kinds = { 'text/plain': url, 'text/html': link.outerHTML };
      await navigator.clipboard.write([
        new ClipboardItem(
          Object.fromEntries(Object.entries(kinds).map(([type, text]) => [type, of(type, text)])),
        ),
      ]);
    } catch {
      // The plain address is there.
    }
  }

  /** Removes a link. While that can be undone, the window says so by itself. */
  async removeLink(link: string): Promise<void> {
    const { inCall = 0, hostInCall = false } = this.link(link) ?? {};
    let atOnce = inCall > Number(hostInCall);
    try {
      await this.backend.removeLink(link);
    } catch (reason) {
      if (faultOf(reason).code !== 'link-removed') return this.fault(reason);
      atOnce = true;
    }
    if (this.sheet?.kind === 'details' && this.sheet.link === link) this.sheet = undefined;
    if (atOnce) this.toasts.word(m.host_link_removed());
  }

  /** Asks where to save a report of a call; false when it was not saved. */
  async saveReport(report: string): Promise<boolean> {
    let path = '';
    const saving = this.backend.saveReport(report).then((at) => {
      path = at;
    });
    return (await this.run(saving)) && path !== '';
  }

  setSettings(change: Partial<Settings>): Promise<boolean> {
    return this.run(this.backend.setSettings({ ...this.now.settings, ...change }));
  }

  /** Forgets all that this page keeps. */
  forget(): void {
    const { memory } = this.#options;
    memory.call = memory.theme = undefined;
    memory.language = '';
  }

  /** What has to happen by itself when the state has changed. */
  #follow(): void {
    const { requests, enter, deeds, arrival } = this.state.now;
    this.requests.take(requests);
    const last = deeds.at(-1)?.id ?? 0;
    // What was done before this window opened is in the list of the call.
    if (this.#deeds !== undefined)
      for (const deed of deeds) if (deed.id > this.#deeds) this.toasts.word(deedSentence(deed));
    this.#deeds = last;
    if (this.#arrived !== undefined && arrival && arrival.id > this.#arrived) {
      this.#ring();
      this.toasts.word(m.host_always_came({ name: isolated(arrival.name) }));
    }
    this.#arrived = arrival?.id ?? 0;
    this.#expect();
    if (!enter) this.#staying = undefined;
    else if (enter.client === this.client && !this.call) this.enter(enter.linkId);
    this.#options.memory.theme = this.theme;
    this.#options.memory.language = this.language;
  }

  #expect(): void {
    const here = ({ linkId, away }: RequestView) => linkId === this.call && !away;
    this.presence?.expect(this.now.requests.some(here));
  }

  /** After the page was loaded again in the middle of a call. */
  #comeBack(): void {
    const { memory } = this.#options;
    const was = memory.call;
    if (was === undefined || this.presence) return;
    if (this.now.calls.some((call) => call.linkId === was && call.hostIn)) this.enter(was);
    else memory.call = undefined;
  }

  #prepare(): void {
    this.#preparing = undefined;
    if (!this.presence) this.#options.prepare();
  }

  /** Rings where the host is: from two pages at once it would sound like two bells. */
  #ring(): void {
    const elsewhere = !this.presence && this.now.calls.some((call) => call.hostIn);
    if (this.now.settings.bellSound && !elsewhere) this.#options.ring();
  }

  #knocked(request: RequestView): void {
    if (!this.presence) this.#preparing ??= setTimeout(() => this.#prepare(), prepareAfter);
    this.#ring();
    this.announcement = m.host_knock_announcement({
      name: isolated(request.shown),
      link: linkName(request.linkName),
    });
  }
}
