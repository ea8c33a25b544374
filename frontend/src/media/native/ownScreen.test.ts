import { describe, expect, it } from 'vitest';
import { NativeScreen } from './ownScreen.svelte';

const one = { screens: [{ id: 'a', name: '', width: 1920, height: 1080 }], fault: '' };

function setup() {
  const said: string[] = [];
  const screen = new NativeScreen({
    list: () => said.push('list'),
    share: (id) => said.push(`share ${id}`),
  });
  return { screen, said };
}

describe('own screen of the app', () => {
  it('is chosen, opened and closed', async () => {
    const { screen, said } = setup();
    const opened = screen.open();
    expect(screen.choice).toBeUndefined();
    screen.take(one);
    expect(screen.choice?.screens.map(({ id }) => id)).toEqual(['a']);
    screen.choose('a');
    expect(screen.choice).toBeUndefined();
    screen.tell({ open: true, fault: '' });
    expect(await opened).toEqual({ sound: false });
    screen.close();
    screen.close();
    screen.tell({ open: false, fault: '' });
    expect(said).toEqual(['list', 'share a', 'share ']);
  });

  it('is not shared if the person cancels', async () => {
    const { screen, said } = setup();
    const opened = screen.open();
    screen.take(one);
    screen.choose('');
    expect(await opened).toBe('screen-refused');
    expect(said).toEqual(['list']);
  });

  it('says why there is none', async () => {
    const { screen } = setup();
    const opened = screen.open();
    screen.take({ screens: [], fault: 'screen-wayland' });
    expect(screen.choice?.fault).toBe('screen-wayland');
    screen.choose('');
    expect(await opened).toBe('screen-refused');
  });

  it('can be gone when it is opened', async () => {
    const { screen } = setup();
    const opened = screen.open();
    screen.take(one);
    screen.choose('a');
    screen.tell({ open: false, fault: 'screen-missing' });
    expect(await opened).toBe('screen-missing');
  });

  it('ends by itself, and when the call ends while the person is asked', async () => {
    const { screen, said } = setup();
    let ended = 0;
    screen.onended = () => ended++;
    const opened = screen.open();
    screen.take(one);
    screen.choose('a');
    screen.tell({ open: true, fault: '' });
    await opened;
    screen.tell({ open: false, fault: '' });
    expect(ended).toBe(1);
    const again = screen.open();
    screen.take(one);
    screen.close();
    expect(await again).toBe('screen-refused');
    expect(screen.choice).toBeUndefined();
    expect(said).toEqual(['list', 'share a', 'list']);
  });
});
