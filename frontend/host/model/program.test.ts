import { describe, expect, it, vi } from 'vitest';
import type { Backend, Program } from './backend';
import { ProgramModel } from './program.svelte';

const known: Program = {
  version: '1.0.0',
  system: 'linux',
  folder: '/home/ada/.config/porch',
  atLogin: false,
  crashed: true,
  updates: true,
  looks: true,
  newer: { version: '1.1.0', changes: 'Ten languages.' },
  refused: '',
};

function model(answers: (Program | Error)[]) {
  let news = () => {};
  const backend = {
    program: vi.fn(async () => {
      const next = answers.length > 1 ? answers.shift() : answers[0];
      if (next instanceof Error) throw next;
      return next;
    }),
    watchProgram: (onchange: () => void) => {
      news = onchange;
      return () => {
        news = () => {};
      };
    },
    forgetCrash: vi.fn(async () => {}),
  } as unknown as Backend;
  const run = async (command: Promise<unknown>) => command.then(() => true).catch(() => false);
  return { program: new ProgramModel(backend, run), backend, news: () => news() };
}

describe('the program', () => {
  it('is known once asked, and again when it has changed', async () => {
    const { program, backend, news } = model([
      { ...known, newer: { version: '', changes: '' } },
      known,
    ]);
    const close = program.open();
    await vi.waitFor(() => expect(program.now?.version).toBe('1.0.0'));
    expect(program.newer).toBeUndefined();
    news();
    await vi.waitFor(() => expect(program.newer?.version).toBe('1.1.0'));
    close();
    news();
    expect(backend.program).toHaveBeenCalledTimes(2);
  });

  it('tells of a newer version until the host puts it off, and then of the next', async () => {
    const later = { ...known, newer: { version: '1.2.0', changes: '' } };
    const { program, news } = model([known, later]);
    program.open();
    await vi.waitFor(() => expect(program.newer).toBeDefined());
    program.later();
    expect(program.newer).toBeUndefined();
    news();
    await vi.waitFor(() => expect(program.newer?.version).toBe('1.2.0'));
  });

  it('looks what came of a command, and of one that failed', async () => {
    const { program, backend } = model([known, { ...known, crashed: false }]);
    program.open();
    await vi.waitFor(() => expect(program.now?.crashed).toBe(true));
    expect(await program.do((b) => b.forgetCrash())).toBe(true);
    expect(program.now?.crashed).toBe(false);
    expect(await program.do(() => Promise.reject(new Error('no')))).toBe(false);
    expect(backend.program).toHaveBeenCalledTimes(3);
  });

  it('stays unknown of an app that has not opened', async () => {
    const { program } = model([new Error('shutting-down')]);
    program.open();
    await Promise.resolve();
    expect(program.now).toBeUndefined();
  });
});
